#include "guest-pv/xen/mmu_pv.h"

#include <bit>

namespace pvmmu::guest {
namespace {

/// Linux numbers levels from the root of five on, hardware from the leaves.
constexpr trace::pt_level pt_level_of(unsigned level) { return static_cast<trace::pt_level>(5 - level); }

}  // namespace

mmu_pv::mmu_pv(kernel_state& k)
    : k_(k),
      xen_(k.cpu, k.tables),
      mc_(xen_, k.config.vcpus, k.profile().interrupts_are_lazy),
      current_cr3_(k.config.vcpus) {}

// Only present entries hold machine frames; of a page without a frame there is only the empty one (xen_make_pte). An
// entry that PROT_NONE made absent holds the kernel's own frame number, inverted so that it points nowhere (linux 6.1
// arch/x86/include/asm/pgtable-invert.h).
pte_t mmu_pv::make_pte(pfn_t pfn, u64 flags) const {
  if ((flags & PAGE_PRESENT) != 0) {
    const auto mfn = k_.p2m.find(pfn);
    return mfn ? pvmmu::make_pte(*mfn, flags) : 0;
  }
  return pvmmu::make_pte(mfn_t{~pfn.n}, flags);
}

std::optional<pfn_t> mmu_pv::pte_pfn(pte_t entry) const {
  if (present(entry)) return k_.p2m.mfn_to_pfn(pte_mfn(entry));
  return pfn_t{pte_mfn(~entry).n};
}

u64 mmu_pv::machine_ptr(entry_ref e, mmu_update_cmd cmd) const { return k_.tables.machine_address_of(e).bytes | cmd; }

mmuext_op_t mmu_pv::op_on(mmuext_cmd cmd, pfn_t pfn) const { return {.cmd = cmd, .arg1 = k_.p2m.pfn_to_mfn(pfn).n}; }

// ---- entries

// Outside of lazy MMU mode the update is made at once and so overtakes whatever is queued; its result is not looked at.
// A table that is not pinned is written all the same: Xen takes the frame for a writable page.
void mmu_pv::set_pte(entry_ref e, pte_t value) {
  k_.cpu.trace(trace::xen_mmu_set_pte{k_.tables.address_of(e), value});
  const mmu_update_t update{machine_ptr(e), value};
  if (mc_.get_lazy_mode() == lazy_mode::mmu) {
    mc_.batch();
    mc_.extend_mmu_update(update, "xen_set_pte");
    mc_.issue(lazy_mode::mmu);
    return;
  }
  hypercall call = mmu_update_call{.ureqs = {.entries = {&update, 1}}, .count = 1};
  xen_.make(call, "xen_set_pte");
  k_.cpu.reached(moment::called);
}

void mmu_pv::set_upper(entry_ref e, pte_t value, std::string_view caller) {
  if (!k_.pages[e.table].pinned) return k_.tables.native_set(e, value, caller);
  mc_.batch();
  mc_.extend_mmu_update({machine_ptr(e), value}, caller);
  mc_.issue(lazy_mode::mmu);
}

void mmu_pv::set_pmd(entry_ref e, pte_t value) {
  k_.cpu.trace(trace::xen_mmu_set_pmd{k_.tables.address_of(e), value});
  set_upper(e, value, "xen_set_pmd");
}

void mmu_pv::set_pud(entry_ref e, pte_t value) {
  k_.cpu.trace(trace::xen_mmu_set_pud{k_.tables.address_of(e), value});
  set_upper(e, value, "xen_set_pud");
}

// User mode has a pgd of its own, in step with the kernel's in the lower half (xen_get_user_pgd).
void mmu_pv::set_p4d(entry_ref e, pte_t value) {
  const page& pgd = k_.pages[e.table];
  const bool user_too = pgd.user_pgd && e.slot < first_xen_slot;
  k_.cpu.trace(trace::xen_mmu_set_p4d{k_.tables.address_of(e),
                                      user_too ? k_.tables.address_of({*pgd.user_pgd, e.slot}) : 0, value});
  if (!pgd.pinned) {
    k_.tables.native_set(e, value, "xen_set_p4d");
    if (user_too) k_.tables.native_set({*pgd.user_pgd, e.slot}, value, "xen_set_p4d");
    return;
  }
  mc_.batch();
  mc_.extend_mmu_update({machine_ptr(e), value}, "xen_set_p4d");
  if (user_too) mc_.extend_mmu_update({machine_ptr({*pgd.user_pgd, e.slot}), value}, "xen_set_p4d");
  mc_.issue(lazy_mode::mmu);
}

pte_t mmu_pv::ptep_modify_prot_start(mm& mm, u64 va, entry_ref e) {
  if (k_.profile().prot_commit == prot_change::clear_and_set)
    return k_.tables.native_get_and_clear(e, "ptep_get_and_clear");
  const pte_t old = k_.tables.load(e);
  k_.cpu.trace(trace::xen_mmu_ptep_modify_prot_start{mm.pgd, va, k_.tables.address_of(e), old});
  return old;
}

void mmu_pv::ptep_modify_prot_commit(mm& mm, u64 va, entry_ref e, pte_t value) {
  if (k_.profile().prot_commit == prot_change::clear_and_set) return set_pte(e, value);
  k_.cpu.trace(trace::xen_mmu_ptep_modify_prot_commit{mm.pgd, va, k_.tables.address_of(e), value});
  const bool preserve = k_.profile().prot_commit == prot_change::preserve_ad;
  mc_.batch();
  mc_.extend_mmu_update({machine_ptr(e, preserve ? MMU_PT_UPDATE_PRESERVE_AD : MMU_NORMAL_PT_UPDATE), value},
                        "xen_ptep_modify_prot_commit");
  mc_.issue(lazy_mode::mmu);
}

// ---- page-table pages

void mmu_pv::set_pfn_prot(pfn_t pfn, u64 prot, u64 flags, std::string_view caller) {
  mc_.update_va_mapping(va_of(pfn), make_pte(pfn, prot), flags, caller);
}

void mmu_pv::alloc_ptpage(mm& mm, pfn_t pfn, unsigned level) {
  const bool in_pinned = k_.pages[mm.pgd].pinned;
  k_.cpu.trace(trace::xen_mmu_alloc_ptpage{mm.pgd, pfn, pt_level_of(level), in_pinned});
  if (!in_pinned) return;
  if (k_.profile().unmaps_aliases_before_pin) vm_unmap_aliases(k_);
  const bool was_pinned = std::exchange(k_.pages[pfn].pinned, true) && k_.profile().alloc_ptpage_checks_pinned;

  mc_.batch();
  set_pfn_prot(pfn, page_kernel_ro(k_.profile()), UVMF_NONE, "xen_alloc_ptpage");
  if (level == 1 && pins_l1s(true) && !was_pinned) {
    mc_.new_mmuext_op(op_on(MMUEXT_PIN_L1_TABLE, pfn), "xen_alloc_ptpage");
  }
  mc_.issue(lazy_mode::mmu);
}

void mmu_pv::release_ptpage(pfn_t pfn, unsigned level) {
  const bool pinned = k_.pages[pfn].pinned;
  k_.cpu.trace(trace::xen_mmu_release_ptpage{pfn, pt_level_of(level), pinned});
  if (!pinned) return;
  mc_.batch();
  if (level == 1 && pins_l1s(k_.profile().guards_l1_unpin)) {
    mc_.new_mmuext_op(op_on(MMUEXT_UNPIN_TABLE, pfn), "xen_release_ptpage");
  }
  set_pfn_prot(pfn, PAGE_KERNEL, UVMF_NONE, "xen_release_ptpage");
  mc_.issue(lazy_mode::mmu);
  k_.pages[pfn].pinned = false;
}

// ---- the processor

// __xen_write_cr3
void mmu_pv::load_cr3(bool kernel, std::optional<pfn_t> pgd) {
  const u64 cr3 = pgd ? pgd->n << PAGE_SHIFT : 0;
  k_.cpu.trace(trace::xen_mmu_write_cr3{kernel, cr3});
  const mmuext_cmd cmd = kernel ? MMUEXT_NEW_BASEPTR : MMUEXT_NEW_USER_BASEPTR;
  mc_.extend_mmuext_op(pgd ? op_on(cmd, *pgd) : mmuext_op_t{cmd}, "xen_write_cr3");
  if (!kernel) return;
  mc_.callback({trace::callback_function::set_current_cr3, cr3},
               [this, cpu = k_.cpu.smp_processor_id(), pgd] { current_cr3_[cpu] = *pgd; });
}

void mmu_pv::write_cr3(pfn_t pgd) {
  mc_.batch();
  load_cr3(true, pgd);
  load_cr3(false, k_.pages[pgd].user_pgd);
  mc_.issue(lazy_mode::cpu);
}

void mmu_pv::flush_tlb_user() {
  mc_.batch();
  mc_.new_mmuext_op({.cmd = MMUEXT_TLB_FLUSH_LOCAL}, "xen_flush_tlb");
  mc_.issue(lazy_mode::mmu);
}

void mmu_pv::flush_tlb_one_user(u64 va) {
  k_.cpu.trace(trace::xen_mmu_flush_tlb_one_user{va});
  mc_.batch();
  mc_.new_mmuext_op({.cmd = MMUEXT_INVLPG_LOCAL, .arg1 = va & ~PAGE_OFFSET_MASK}, "xen_flush_tlb_one_user");
  mc_.issue(lazy_mode::mmu);
}

void mmu_pv::flush_tlb_multi(u64 cpus, mm& mm, u64 start, u64 end) {
  if (cpus == 0) return;
  k_.cpu.trace(trace::xen_mmu_flush_tlb_multi{static_cast<u32>(std::popcount(cpus)), mm.pgd, start, end});
  mc_.batch();
  const bool one_page = end != TLB_FLUSH_ALL && end - start <= PAGE_SIZE;
  mc_.new_mmuext_op(
      {.cmd = one_page ? MMUEXT_INVLPG_MULTI : MMUEXT_TLB_FLUSH_MULTI, .arg1 = one_page ? start : 0, .vcpumask = cpus},
      "xen_flush_tlb_multi", 8 * ((k_.config.vcpus + 63) / 64));
  mc_.issue(lazy_mode::mmu);
}

}  // namespace pvmmu::guest
