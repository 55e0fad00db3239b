#pragma once
// struct mm_struct: an address space.

#include "guest-pv/kernel.h"
#include "guest-pv/vma.h"

namespace pvmmu::guest {

struct mm {
  pfn_t pgd{};
  vma_tree vmas{};
  u64 cpumask = 0;    ///< CPUs that have it loaded, lazily or not
  u64 tlb_gen = 1;    ///< counts flushes
  u64 start_brk = 0;  ///< where the heap begins; 0: the process has none
  u64 brk = 0;        ///< where it ends
};

/// Top of a process's addresses (TASK_SIZE_MAX, linux 6.1 page_64_types.h, four levels).
inline constexpr u64 TASK_SIZE = (u64{1} << 47) - PAGE_SIZE;

}  // namespace pvmmu::guest
