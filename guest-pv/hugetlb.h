#pragma once
// Huge pages of hugetlbfs: linux 6.1 mm/hugetlb.c. Only what a guest needs to ask Xen for one, which says no.

#include "guest-pv/fault.h"

namespace pvmmu::guest {

/// Of the one size: 2 MiB.
inline constexpr unsigned huge_page_order = 9;
inline constexpr u64 huge_page_size = PAGE_SIZE << huge_page_order;

/// Whether a process may map huge pages at [va, va + len), in bytes: -ENOENT where there is no hugetlbfs, -EINVAL.
mm_result<void> check_hugetlb(const kernel_state& k, u64 va, u64 len);

/// hugetlb_fault, of a shared mapping: the file's huge page, which may be new, is mapped by one L2 entry.
mm_result<void> hugetlb_fault(kernel_state& k, mm& mm, const vma& area, u64 va);

}  // namespace pvmmu::guest
