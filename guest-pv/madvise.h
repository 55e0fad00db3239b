#pragma once
// Giving memory back without unmapping it: linux 6.1 mm/madvise.c.

#include "guest-pv/kernel_state.h"

namespace pvmmu::guest {

/// madvise_dontneed_single_vma for each area in the range: entries are cleared, tables stay.
mm_result<void> madvise_dontneed(kernel_state& k, mm& mm, u64 va, u64 len);

}  // namespace pvmmu::guest
