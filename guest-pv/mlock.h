#pragma once
// Memory that stays: linux 6.1 mm/mlock.c, and mm/gup.c for what is faulted in ahead.

#include "guest-pv/kernel_state.h"

namespace pvmmu::guest {

/// Marks the areas of the range locked or not, up to the first hole, which is -ENOMEM; locking faults their pages in.
mm_result<void> do_mlock(kernel_state& k, mm& mm, u64 va, u64 len);
mm_result<void> do_munlock(kernel_state& k, mm& mm, u64 va, u64 len);

/// populate_vma_page_range: get_user_pages of [start, end) of one area, as for a write where that is private memory to
/// be written. Stops at the first fault that fails.
void populate_vma_page_range(kernel_state& k, mm& mm, u64 start, u64 end);
/// mm_populate: the same for all areas of a range, best effort.
void mm_populate(kernel_state& k, mm& mm, u64 va, u64 len);

}  // namespace pvmmu::guest
