#pragma once
// KFENCE's guard pages: a page of the direct map that must not be touched has an entry that is not present, which
// KFENCE flips to and fro. linux 6.1 arch/x86/include/asm/kfence.h.

#include "guest-pv/kernel_state.h"

namespace pvmmu::guest {

/// kfence_protect_page: takes `page` out of the direct map, or puts it back. Nothing happens where it is so already.
void kfence_protect_page(kernel_state& k, pfn_t page, bool protect);

}  // namespace pvmmu::guest
