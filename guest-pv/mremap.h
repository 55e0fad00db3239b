#pragma once
// Resizing memory and moving it within an address space: linux 6.1 mm/mremap.c.

#include "guest-pv/kernel_state.h"

namespace pvmmu::guest {

/// MREMAP_MAYMOVE|MREMAP_FIXED.
mm_result<void> do_mremap(kernel_state& k, mm& mm, u64 old_va, u64 old_len, u64 new_len, u64 new_va);
/// Without flags.
mm_result<void> do_mremap_in_place(kernel_state& k, mm& mm, u64 va, u64 old_len, u64 new_len);

}  // namespace pvmmu::guest
