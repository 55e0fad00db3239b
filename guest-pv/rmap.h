#pragma once
// From a page to the entries that map it, whoever has them: linux 6.1 mm/rmap.c.

#include "guest-pv/kernel_state.h"

namespace pvmmu::guest {

/// page_referenced: whether the page that `mm` has at `va` was used since somebody last asked; each address space that
/// maps it there forgets that it was. Returns how many remembered. -ENOENT where nothing is mapped; -EBUSY, with
/// nothing done, where another vCPU holds the lock of a table.
mm_result<u64> page_referenced(kernel_state& k, mm& mm, u64 va);

}  // namespace pvmmu::guest
