#include "guest-pv/mprotect.h"

#include <fmt/format.h>

#include "guest-pv/fault.h"
#include "guest-pv/mmap.h"
#include "guest-pv/mmu_gather.h"
#include "guest-pv/pgalloc.h"

namespace pvmmu::guest {
namespace {

/// Since user shadow stacks, "dirty but not writable" means something else to the processor.
u64 dirty_bits(const kernel_state& k, bool dirty, bool writable) {
  if (!dirty) return 0;
  return k.profile().saved_dirty && !writable ? PAGE_SAVED_DIRTY : PAGE_DIRTY;
}

/// pte_modify: another protection for the same page, its history kept.
pte_t modified(kernel_state& k, const vma& area, pte_t old) {
  const pfn_t pfn = frame_of(k, old);
  const bool write_back = area.writable() && k.profile().mprotect_gives_write_back && pfn != zero_pfn;
  const u64 history = (old & (PAGE_ACCESSED | PAGE_SPECIAL | PAGE_SOFT_DIRTY)) |
                      dirty_bits(k, (old & (PAGE_DIRTY | PAGE_SAVED_DIRTY)) != 0, write_back);
  return k.pv->make_pte(pfn, vm_page_prot(area) | history | (write_back ? PAGE_RW : 0));
}

void change_pte_range(mmu_gather& tlb, const vma& area, u64 va, u64 end) {
  kernel_state& k = tlb.kernel();
  k.pv->enter_lazy_mmu();
  for (; va < end; va += PAGE_SIZE) {
    const entry_ref pte = *find_entry(k, tlb.target(), va, 1);
    if (none(k, pte)) continue;
    const pte_t old = k.pv->ptep_modify_prot_start(pte);
    k.pv->ptep_modify_prot_commit(pte, modified(k, area, old));
    // Xen makes user pages global, Linux does not: in its eyes every entry that was present changed, and is flushed.
    if (present(old)) tlb.cleared(va, 1);
  }
  k.pv->leave_lazy_mmu();
}

void change_protection(mmu_gather& tlb, const vma& area) {
  for (u64 va = area.start, next = va; va < area.end; va = next) {
    next = entry_end(va, area.end, 2);
    if (find_entry(tlb.kernel(), tlb.target(), va, 1)) change_pte_range(tlb, area, va, next);
  }
}

bool all_mapped(const mm& mm, u64 va, u64 end) {
  while (va < end) {
    const vma* area = mm.vmas.find(va);
    if (!area) return false;
    va = area->end;
  }
  return true;
}

}  // namespace

mm_result<void> do_mprotect(kernel_state& k, mm& mm, u64 va, u64 len, prot access) {
  if (auto valid = check_user_range(va, len); !valid) return valid;
  if (!all_mapped(mm, va, va + len)) {
    return std::unexpected(
        mm_error{12, fmt::format("-ENOMEM: a part of the {:#x} bytes at {:#x} is not mapped", len, va)});
  }
  mmu_gather tlb(k, mm);
  for (vma area : mm.vmas.remove(va, va + len)) {
    const bool changes = area.access != access;
    area.access = access;
    mm.vmas.insert(area);
    if (changes) change_protection(tlb, area);
  }
  tlb.flush();
  return {};
}

}  // namespace pvmmu::guest
