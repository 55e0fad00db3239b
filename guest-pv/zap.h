#pragma once
// Unmapping: linux 6.1 mm/memory.c unmap_vmas and free_pgtables.

#include <span>

#include "guest-pv/mmu_gather.h"

namespace pvmmu::guest {

/// unmap_vmas: clears every entry of these areas.
void unmap_vmas(mmu_gather& tlb, std::span<const vma> areas);
/// free_pgtables: frees the tables that served only these areas. `floor` is where the area before them ends and
/// `ceiling` where the one behind them starts; 0 for none.
void free_pgtables(mmu_gather& tlb, std::span<const vma> areas, u64 floor, u64 ceiling);
/// free_pgd_range: the same for one range.
void free_pgd_range(mmu_gather& tlb, u64 va, u64 end, u64 floor, u64 ceiling);

}  // namespace pvmmu::guest
