#include "guest-pv/mlock.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "guest-pv/fault.h"
#include "guest-pv/mmap.h"
#include "guest-pv/pgalloc.h"

namespace pvmmu::guest {
namespace {

/// follow_page_mask: whether get_user_pages finds the page and need not fault it in.
bool is_there(kernel_state& k, const mm& mm, u64 va, fault_kind kind) {
  const auto pte = find_entry(k, mm, va, 1);
  if (!pte || none(k, *pte)) return false;
  const pte_t entry = k.tables.read(*pte);
  return present(entry) && (kind == fault_kind::read || (entry & PAGE_RW) != 0);
}

/// apply_vma_lock_flags.
mm_result<void> set_locked(mm& mm, u64 va, u64 len, bool locked) {
  const u64 end = std::min(va + len, mm.vmas.end_of_run(va));
  const auto change = [locked](vma& area) {
    const bool wanted = locked && area.kind != vma_kind::special;
    return std::exchange(area.locked, wanted) != wanted;
  };
  mm.vmas.modify(va, end, change, [](const vma&) {});
  if (end < va + len) return refused(ENOMEM, fmt::format("-ENOMEM: nothing is mapped at {:#x}", end));
  return {};
}

}  // namespace

void populate_vma_page_range(kernel_state& k, mm& mm, u64 start, u64 end) {
  const vma* const area = mm.vmas.find(start);
  if (!area || !area->readable()) return;
  const bool write = area->writable() && area->kind != vma_kind::shared;
  const fault_kind kind = write ? fault_kind::write : fault_kind::read;
  for (u64 va = start; va < end; va += PAGE_SIZE) {
    if (!is_there(k, mm, va, kind) && !handle_mm_fault(k, mm, va, kind)) return;
  }
}

void mm_populate(kernel_state& k, mm& mm, u64 va, u64 len) {
  const u64 end = va + len;
  for (auto area = mm.vmas.first_after(va); area != mm.vmas.end() && area->second.start < end; ++area) {
    if (area->second.pfnmap) continue;
    populate_vma_page_range(k, mm, std::max(area->second.start, va), std::min(area->second.end, end));
  }
}

mm_result<void> do_mlock(kernel_state& k, mm& mm, u64 va, u64 len) {
  if (auto valid = check_user_range(va, len); !valid) return valid;
  if (auto marked = set_locked(mm, va, len, true); !marked) return marked;
  mm_populate(k, mm, va, len);
  return {};
}

mm_result<void> do_munlock(kernel_state&, mm& mm, u64 va, u64 len) {
  if (auto valid = check_user_range(va, len); !valid) return valid;
  return set_locked(mm, va, len, false);
}

}  // namespace pvmmu::guest
