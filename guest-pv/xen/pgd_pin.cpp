// Pinning and unpinning whole address spaces: the walk, and the ways into and out of it.

#include <array>

#include "guest-pv/pgalloc.h"
#include "guest-pv/tlb.h"
#include "guest-pv/xen/mmu_pv.h"

namespace pvmmu::guest {

// ---- xen_pgd_alloc, xen_pgd_free

// The vsyscall page, which Linux maps in each user pgd, is left out.
void mmu_pv::pgd_alloc(mm& mm) { k_.pages[mm.pgd].user_pgd = k_.tables.alloc_zeroed_page(); }

void mmu_pv::pgd_free(mm& mm) {
  const pfn_t user_pgd = std::exchange(k_.pages[mm.pgd].user_pgd, std::nullopt).value();
  for (unsigned slot = first_xen_slot; slot <= last_xen_slot; ++slot) {  // Xen wrote its own entries there
    k_.tables.touched_by_others(k_.p2m.pfn_to_mfn(mm.pgd), slot);
    k_.tables.touched_by_others(k_.p2m.pfn_to_mfn(user_pgd), slot);
  }
  k_.pages.free_pages(user_pgd);
}

/// Where the lock of a page-table page lies: in its struct page of 64 bytes (vmemmap, linux 6.1 x86-64).
static constexpr u64 ptl_of(pfn_t pfn) { return 0xffffea0000000000 + pfn.n * 64 + 40; }

// ---- the walk: the tables below in order of address, each before those that it refers to; the pgd itself last

void mmu_pv::pgd_walk(pfn_t table, unsigned level, page_fn visit) {
  if (level < 4) (this->*visit)(table, level);
  if (level > 1) {
    const unsigned end = level == 4 ? first_xen_slot : entries_per_table;  // user addresses only
    for (unsigned slot = 0; slot < end; ++slot) {
      const entry_ref e{table, slot};
      if (!none(k_, e)) pgd_walk(table_below(k_, e), level - 1, visit);
    }
  }
  if (level == 4) (this->*visit)(table, level);
}

// Without split locks one lock for all tables would have to be held for too long (xen_pte_lock).
bool mmu_pv::pins_l1s(bool guarded) const {
  return k_.profile().pin_locks_pte_pages && (k_.config.split_ptlocks() || !guarded);
}

/// xen_pte_unlock.
void mmu_pv::unlock_when_sent(pfn_t l1) {
  mc_.callback({trace::callback_function::xen_pte_unlock, ptl_of(l1)}, [this, l1] { k_.pages[l1].locked = false; });
}

void mmu_pv::pin_page(pfn_t pfn, unsigned level) {
  if (std::exchange(k_.pages[pfn].pinned, true)) return;
  const bool pins = level == 1 && pins_l1s(k_.profile().guards_l1_pin);
  k_.pages[pfn].locked = pins;
  set_pfn_prot(pfn, page_kernel_ro(k_.profile()), level == 4 ? UVMF_TLB_FLUSH : UVMF_NONE, "__xen_pgd_pin");
  if (pins) {
    mc_.extend_mmuext_op(op_on(MMUEXT_PIN_L1_TABLE, pfn), "__xen_pgd_pin");
    unlock_when_sent(pfn);
  }
}

void mmu_pv::unpin_page(pfn_t pfn, unsigned level) {
  if (!std::exchange(k_.pages[pfn].pinned, false)) return;
  const bool unpin = level == 1 && pins_l1s(k_.profile().guards_l1_unpin);
  k_.pages[pfn].locked = unpin;
  if (unpin) mc_.extend_mmuext_op(op_on(MMUEXT_UNPIN_TABLE, pfn), "__xen_pgd_unpin");
  set_pfn_prot(pfn, PAGE_KERNEL, level == 4 ? UVMF_TLB_FLUSH : UVMF_NONE, "__xen_pgd_unpin");
  if (unpin) unlock_when_sent(pfn);
}

void mmu_pv::pgd_pin(const mm& mm, pfn_t pgd) {
  if (k_.profile().unmaps_aliases_before_pin) vm_unmap_aliases(k_);
  k_.cpu.trace(trace::xen_mmu_pgd_pin{mm.pgd, va_of(pgd)});
  mc_.batch();
  pgd_walk(pgd, 4, &mmu_pv::pin_page);
  mc_.extend_mmuext_op(op_on(MMUEXT_PIN_L4_TABLE, pgd), "__xen_pgd_pin");
  if (const auto user_pgd = k_.pages[pgd].user_pgd) {
    pin_page(*user_pgd, 4);
    mc_.extend_mmuext_op(op_on(MMUEXT_PIN_L4_TABLE, *user_pgd), "__xen_pgd_pin");
  }
  mc_.issue(lazy_mode::none);
}

void mmu_pv::pgd_unpin(const mm& mm, pfn_t pgd) {
  k_.cpu.trace(trace::xen_mmu_pgd_unpin{mm.pgd, va_of(pgd)});
  mc_.batch();
  mc_.extend_mmuext_op(op_on(MMUEXT_UNPIN_TABLE, pgd), "__xen_pgd_unpin");
  if (const auto user_pgd = k_.pages[pgd].user_pgd) {
    mc_.extend_mmuext_op(op_on(MMUEXT_UNPIN_TABLE, *user_pgd), "__xen_pgd_unpin");
    unpin_page(*user_pgd, 4);
  }
  pgd_walk(pgd, 4, &mmu_pv::unpin_page);
  mc_.issue(lazy_mode::none);
}

// ---- xen_activate_mm, xen_dup_mmap, xen_exit_mmap

void mmu_pv::activate_mm(mm& next) { pgd_pin(next, next.pgd); }

void mmu_pv::dup_mmap(mm& child) { pgd_pin(child, child.pgd); }

void mmu_pv::drop_mm_ref_this_cpu(mm& mm) {
  if (k_.this_cpu_tlb().loaded_mm == &mm) leave_mm(k_);
  if (k_.profile().drop_mm_ref == cr3_asked::logical_cr3) return;
  if (current_cr3_[k_.cpu.smp_processor_id()] == mm.pgd) mc_.flush();
}

// Another CPU may still have the pgd loaded, lazily, or with the change to another queued: it is told to let go.
void mmu_pv::drop_mm_ref(mm& mm) {
  drop_mm_ref_this_cpu(mm);
  const bool by_logical = k_.profile().drop_mm_ref == cr3_asked::logical_cr3;
  for (vcpu_id_t cpu = 0; cpu < k_.config.vcpus; ++cpu) {
    const bool has_it = by_logical ? (mm.cpumask >> cpu & 1) != 0 : current_cr3_[cpu] == mm.pgd;
    if (has_it) k_.cpu.on(cpu, [&] { drop_mm_ref_this_cpu(mm); });
  }
}

void mmu_pv::exit_mmap(mm& mm) {
  drop_mm_ref(mm);
  if (k_.pages[mm.pgd].pinned) pgd_unpin(mm, mm.pgd);
}

}  // namespace pvmmu::guest
