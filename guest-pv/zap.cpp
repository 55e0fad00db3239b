#include "guest-pv/zap.h"

#include "guest-pv/fault.h"
#include "guest-pv/pgalloc.h"

namespace pvmmu::guest {
namespace {

/// Clears entries from `va` on until `end`, or until the gather is full. Returns where it stopped. That a shared page
/// is dirty is told its file at once, so the TLB may not hold it any longer than the lock does.
u64 zap_some_ptes(mmu_gather& tlb, const vma& area, pfn_t table, u64 va, u64 end) {
  kernel_state& k = tlb.kernel();
  bool full = false;
  bool force_flush = false;
  k.pv->enter_lazy_mmu();
  for (; va != end && !full; va += PAGE_SIZE) {
    const entry_ref pte{table, table_slot(va, 1)};
    if (none(k, pte)) continue;
    const pte_t old = tlb.fullmm() ? k.tables.native_local_get_and_clear(pte, "ptep_get_and_clear_full")
                                   : k.tables.native_get_and_clear(pte, "ptep_get_and_clear");
    tlb.cleared(va, 1);
    const std::optional<pfn_t> page = k.pv->pte_pfn(old);
    if (!page || (old & PAGE_SPECIAL) != 0) continue;
    force_flush |= area.kind == vma_kind::shared && (old & (PAGE_DIRTY | PAGE_SAVED_DIRTY)) != 0;
    full = tlb.remove_page(*page);
  }
  k.pv->leave_lazy_mmu();
  if (full || force_flush) tlb.flush();
  return va;
}

void zap_pte_range(mmu_gather& tlb, const vma& area, pfn_t table, u64 va, u64 end) {
  while (va != end) va = zap_some_ptes(tlb, area, table, va, end);
}

void zap_range(mmu_gather& tlb, const vma& area, pfn_t table, unsigned level, u64 va, u64 end) {
  if (level == 1) return zap_pte_range(tlb, area, table, va, end);
  for (u64 next = va; va != end; va = next) {
    next = entry_end(va, end, level);
    const entry_ref e{table, table_slot(va, level)};
    if (!none(tlb.kernel(), e)) zap_range(tlb, area, table_below(tlb.kernel(), e), level - 1, va, next);
  }
}

/// The last step of free_pXd_range: whether nothing else lies under the entry of `level` that [start, end) is in.
bool serves_nobody_else(u64 start, u64 end, unsigned level, u64 floor, u64 ceiling) {
  const u64 mask = ~(entry_span(level) - 1);
  if ((start & mask) < floor) return false;
  if (ceiling != 0) {
    ceiling &= mask;
    if (ceiling == 0) return false;
  }
  return end - 1 <= ceiling - 1;
}

/// Frees the table below entry `e` of `level`: unhooked first, then released, then left to the gather.
void free_table(mmu_gather& tlb, entry_ref e, unsigned level, u64 va) {
  kernel_state& k = tlb.kernel();
  const pfn_t table = table_below(k, e);
  set_entry(k, e, level, 0);
  tlb.cleared(va, level);
  k.pv->release_ptpage(table, level - 1);
  tlb.remove_table(table);
}

/// What lies below the table of `level`, in [va, end).
void free_range_below(mmu_gather& tlb, pfn_t table, unsigned level, u64 va, u64 end, u64 floor, u64 ceiling) {
  for (u64 next = va; va != end; va = next) {
    next = entry_end(va, end, level);
    const entry_ref e{table, table_slot(va, level)};
    if (none(tlb.kernel(), e)) continue;
    if (level > 2) {
      free_range_below(tlb, table_below(tlb.kernel(), e), level - 1, va, next, floor, ceiling);
      if (!serves_nobody_else(va, next, level, floor, ceiling)) continue;
    }
    free_table(tlb, e, level, level > 2 ? va & ~(entry_span(level) - 1) : va);
  }
}

// With four levels the top of five is folded: it counts as present, and "freeing" it leaves a range to flush even
// where nothing was ever mapped.
void free_folded_top(mmu_gather& tlb, u64 va, u64 end, u64 floor, u64 ceiling) {
  for (u64 next = va; va != end; va = next) {
    next = entry_end(va, end, 4);
    free_range_below(tlb, tlb.target().pgd, 4, va, next, floor, ceiling);
    if (serves_nobody_else(va, next, 4, floor, ceiling)) tlb.cleared(va & ~(PGDIR_SIZE - 1), 5);
  }
}

}  // namespace

void unmap_vmas(mmu_gather& tlb, std::span<const vma> areas) {
  for (const vma& area : areas) zap_range(tlb, area, tlb.target().pgd, 4, area.start, area.end);
}

void free_pgd_range(mmu_gather& tlb, u64 va, u64 end, u64 floor, u64 ceiling) {
  va &= ~(PMD_SIZE - 1);
  if (va < floor) va += PMD_SIZE;
  if (ceiling != 0) {
    ceiling &= ~(PMD_SIZE - 1);
    if (ceiling == 0) return;
  }
  if (end - 1 > ceiling - 1) end -= PMD_SIZE;
  if (va > end - 1) return;
  free_folded_top(tlb, va, end, floor, ceiling);
}

// Areas less than 2 MiB apart are taken down in one go.
void free_pgtables(mmu_gather& tlb, std::span<const vma> areas, u64 floor, u64 ceiling) {
  for (std::size_t i = 0; i < areas.size();) {
    const u64 start = areas[i].start;
    u64 end = areas[i++].end;
    while (i < areas.size() && areas[i].start <= end + PMD_SIZE) end = areas[i++].end;
    free_pgd_range(tlb, start, end, floor, i < areas.size() ? areas[i].start : ceiling);
  }
}

}  // namespace pvmmu::guest
