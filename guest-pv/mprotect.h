#pragma once
// Changing what a process may do with its memory: linux 6.1 mm/mprotect.c.

#include "guest-pv/mmu_gather.h"

namespace pvmmu::guest {

/// -EINVAL, -ENOMEM where a part of the range is not mapped.
mm_result<void> do_mprotect(kernel_state& k, mm& mm, u64 va, u64 len, prot access);
/// change_protection: gives what is mapped in the area the area's own protection.
void change_protection(mmu_gather& tlb, const vma& area);

}  // namespace pvmmu::guest
