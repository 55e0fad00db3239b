#pragma once
// How the kernel itself sees a frame: linux 6.1 arch/x86/mm/pat/set_memory.c.

#include "guest-pv/kernel_state.h"

namespace pvmmu::guest {

/// __kernel_map_pages, of a kernel that catches whoever uses a page that is free (DEBUG_PAGEALLOC): makes the frame's
/// entry in the direct map present or absent.
void kernel_map_page(kernel_state& k, pfn_t pfn, bool enable);

}  // namespace pvmmu::guest
