#include "guest-pv/move_page_tables.h"

#include <algorithm>

#include "guest-pv/fault.h"
#include "guest-pv/pgalloc.h"
#include "guest-pv/tlb.h"

namespace pvmmu::guest {
namespace {

/// get_extent: bytes until the entry of `level` ends, at the old place or the new one, or the move itself.
u64 extent_of(u64 old_va, u64 old_end, u64 new_va, unsigned level) {
  const u64 to_old = entry_end(old_va, old_end, level) - old_va;
  return std::min(to_old, ((new_va + entry_span(level)) & ~(entry_span(level) - 1)) - new_va);
}

class table_mover {
 public:
  table_mover(kernel_state& k, mm& mm, const vma& area)
      : k_(k), mm_(mm), profile_(k.profile()), entries_only_(area.uffd && !k.profile().moves_watched_tables) {}

  /// try_realign_addr: starts both at their PMD boundary if the space before is free, so that the PMD entry can move.
  void widen(const vma& old_area, u64& old_va, const vma& new_area, u64& new_va, u64 len) const;
  void move(u64 old_va, u64 new_va, u64 len);

 private:
  u64 move_some(u64 old_va, u64 old_end, u64 new_va);
  table_move style(unsigned level) const {
    if (entries_only_) return table_move::never;
    return level == 3 ? profile_.pud_move : profile_.pmd_move;
  }
  bool move_normal_entry(entry_ref old_entry, entry_ref new_entry, u64 old_va, unsigned level);
  void move_ptes(pfn_t old_table, u64 old_va, u64 old_end, pfn_t new_table, u64 new_va);
  void flush(u64 start, u64 end) { flush_tlb_mm_range(k_, mm_, start, end, PAGE_SHIFT); }

  kernel_state& k_;
  mm& mm_;
  const kernel_profile& profile_;
  const bool entries_only_;
  bool need_flush_ = false;  ///< something moved whose flush waits for the end
};

// move_normal_pmd, move_normal_pud: clear the old entry, then set the new one to the same table.
bool table_mover::move_normal_entry(entry_ref old_entry, entry_ref new_entry, u64 old_va, unsigned level) {
  if (!none(k_, new_entry)) return false;
  const pte_t moved = k_.tables.read(old_entry);
  set_entry(k_, old_entry, level, 0);
  switch (style(level)) {
    case table_move::never: break;
    case table_move::set_entry: set_entry(k_, new_entry, level, moved); break;
    case table_move::native_store: k_.tables.native_set(new_entry, moved, "set_pud_at"); break;
    case table_move::populate: populate(k_, mm_, new_entry, level, frame_of(k_, moved)); break;
  }
  if (profile_.move_flush == mremap_flush::at_end) {
    need_flush_ = true;
  } else {
    flush(old_va, old_va + entry_span(level));
  }
  return true;
}

void table_mover::move_ptes(pfn_t old_table, u64 old_va, u64 old_end, pfn_t new_table, u64 new_va) {
  const u64 old_start = old_va;
  bool force_flush = false;
  k_.pv->enter_lazy_mmu();
  for (; old_va < old_end; old_va += PAGE_SIZE, new_va += PAGE_SIZE) {
    const entry_ref old_pte{old_table, table_slot(old_va, 1)};
    if (none(k_, old_pte)) continue;
    const pte_t pte = k_.tables.native_get_and_clear(old_pte, "ptep_get_and_clear");
    if (profile_.move_flush == mremap_flush::always_under_lock || (pte & PAGE_DIRTY) != 0) {
      force_flush = true;
    } else {
      need_flush_ = true;
    }
    set_pte_at(k_, {new_table, table_slot(new_va, 1)}, pte | soft_dirty(k_));  // move_soft_dirty_pte
  }
  k_.pv->leave_lazy_mmu();
  if (force_flush) flush(old_start, old_end);
}

/// Returns the bytes done.
u64 table_mover::move_some(u64 old_va, u64 old_end, u64 new_va) {
  for (unsigned level = 3; level >= 2; --level) {
    const u64 extent = extent_of(old_va, old_end, new_va, level);
    if (style(level) == table_move::never && level == 3) continue;
    const std::optional<entry_ref> old_entry = find_entry(k_, mm_, old_va, level);
    if (!old_entry || none(k_, *old_entry)) return extent;
    const entry_ref new_entry = alloc_entry(k_, mm_, new_va, level);
    if (style(level) != table_move::never && extent == entry_span(level) &&
        move_normal_entry(*old_entry, new_entry, old_va, level)) {
      return extent;
    }
  }
  const u64 extent = std::min(extent_of(old_va, old_end, new_va, 2), profile_.move_ptes_chunk << PAGE_SHIFT);
  const pfn_t new_table = alloc_entry(k_, mm_, new_va, 1).table;
  move_ptes(find_entry(k_, mm_, old_va, 1)->table, old_va, old_va + extent, new_table, new_va);
  return extent;
}

void table_mover::move(u64 old_va, u64 new_va, u64 len) {
  const u64 old_end = old_va + len;
  const u64 old_start = old_va;
  while (old_va < old_end) {
    const u64 extent = move_some(old_va, old_end, new_va);
    old_va += extent;
    new_va += extent;
  }
  if (need_flush_) flush(old_start, old_end);
}

void table_mover::widen(const vma& old_area, u64& old_va, const vma& new_area, u64& new_va, u64 len) const {
  const u64 offset = old_va & (PMD_SIZE - 1);
  if (!profile_.realigns_moves || offset == 0 || offset != (new_va & (PMD_SIZE - 1)) || len < PMD_SIZE - offset) return;
  const auto can_align_down = [this, offset](const vma& area, u64 va) {
    return area.start == va && !mm_.vmas.intersects(va - offset, va);
  };
  if (!can_align_down(old_area, old_va) || !can_align_down(new_area, new_va)) return;
  old_va -= offset;
  new_va -= offset;
}

}  // namespace

void move_page_tables(kernel_state& k, mm& mm, const vma& old_area, u64 old_va, const vma& new_area, u64 new_va,
                      u64 len) {
  table_mover mover(k, mm, old_area);
  const u64 old_end = old_va + len;
  mover.widen(old_area, old_va, new_area, new_va, len);
  mover.move(old_va, new_va, old_end - old_va);
}

}  // namespace pvmmu::guest
