#include "guest-pv/mprotect.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "guest-pv/fault.h"
#include "guest-pv/mlock.h"
#include "guest-pv/mmap.h"
#include "guest-pv/mmu_gather.h"
#include "guest-pv/pgalloc.h"

namespace pvmmu::guest {
namespace {

/// can_change_pte_writable: private memory, of which nobody else has the page, nor had since fork.
bool can_change_writable(kernel_state& k, const vma& area, pte_t old, pfn_t page, bool dirty) {
  const write_back gives = k.profile().mprotect_write_back;
  if (!area.writable() || gives == write_back::never || (gives == write_back::dirty && !dirty)) return false;
  return (old & PAGE_SPECIAL) == 0 && k.pages[page].refs == 1 && k.pages[page].anon_exclusive;
}

/// pte_modify: another protection for the same page, its history kept. Shared memory is writable as a whole.
pte_t modified(kernel_state& k, const vma& area, pte_t old) {
  const pfn_t page = frame_of(k, old);
  const bool dirty = (old & (PAGE_DIRTY | PAGE_SAVED_DIRTY)) != 0;
  u64 flags = (vm_page_prot(area) & ~PAGE_ACCESSED) | (old & (PAGE_ACCESSED | PAGE_SPECIAL | PAGE_SOFT_DIRTY));
  if (area.kind != vma_kind::shared && can_change_writable(k, area, old, page, dirty)) flags |= PAGE_RW;
  return k.pv->make_pte(page, flags | (dirty ? dirty_flag(k, (flags & PAGE_RW) != 0) : 0));
}

/// Returns how many entries it changed.
u64 change_pte_range(mmu_gather& tlb, const vma& area, u64 va, u64 end) {
  kernel_state& k = tlb.kernel();
  u64 changed = 0;
  k.pv->enter_lazy_mmu();
  for (; va < end; va += PAGE_SIZE) {
    const entry_ref pte = *find_entry(k, tlb.target(), va, 1);
    if (none(k, pte)) continue;
    const pte_t old = k.pv->ptep_modify_prot_start(tlb.target(), va, pte);
    k.pv->ptep_modify_prot_commit(tlb.target(), va, pte, modified(k, area, old));
    // Xen makes user pages global, Linux does not: in its eyes every entry that was present changed, and is flushed.
    if (present(old) && k.profile().mprotect_gathers) tlb.cleared(va, 1);
    ++changed;
  }
  k.pv->leave_lazy_mmu();
  return changed;
}

}  // namespace

void change_protection(mmu_gather& tlb, const vma& area) {
  kernel_state& k = tlb.kernel();
  u64 changed = 0;
  for (u64 va = area.start, next = va; va < area.end; va = next) {
    next = entry_end(va, area.end, 2);
    if (find_entry(k, tlb.target(), va, 1)) changed += change_pte_range(tlb, area, va, next);
  }
  if (changed != 0 && !k.profile().mprotect_gathers) {
    flush_tlb_mm_range(k, tlb.target(), area.start, area.end, PAGE_SHIFT);
  }
}

namespace {

/// mprotect_fixup, of what has the new protection already. What is locked is copied now rather than at the first write.
void protected_area(mmu_gather& tlb, const vma& area, prot before) {
  change_protection(tlb, area);
  if (!may_write(before) && area.writable() && area.locked && area.kind != vma_kind::shared) {
    populate_vma_page_range(tlb.kernel(), tlb.target(), area.start, area.end);
  }
}

}  // namespace

mm_result<void> do_mprotect(kernel_state& k, mm& mm, u64 va, u64 len, prot access) {
  if (auto valid = check_user_range(va, len); !valid) return valid;
  const u64 end = std::min(va + len, mm.vmas.end_of_run(va));
  mmu_gather tlb(k, mm);
  prot before{};
  const auto change = [&](vma& area) { return (before = std::exchange(area.access, access)) != access; };
  mm.vmas.modify(va, end, change, [&](const vma& area) { protected_area(tlb, area, before); });
  tlb.flush();
  if (end < va + len) return refused(ENOMEM, fmt::format("-ENOMEM: nothing is mapped at {:#x}", end));
  return {};
}

}  // namespace pvmmu::guest
