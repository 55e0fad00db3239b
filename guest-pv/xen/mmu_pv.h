#pragma once
// The Xen backend: linux 6.1 arch/x86/xen/mmu_pv.c.
//
// A page table is in one of two states, kept in its frame's PagePinned flag:
//   1. not pinned: the frame is mapped writable, and entries are plain stores
//   2. pinned:     the frame is mapped read-only, Xen knows it as a table, and entries go through hypercalls
// A whole address space goes from 1 to 2 when it is activated and back when it ends; single frames come and go between.

#include "guest-pv/kernel_state.h"
#include "guest-pv/xen/multicalls.h"

namespace pvmmu::guest {

/// A kernel mapping that is not writable is not dirty either, where a saved dirty bit exists.
constexpr u64 page_kernel_ro(const kernel_profile& p) {
  return PAGE_KERNEL & ~(PAGE_RW | (p.saved_dirty ? PAGE_DIRTY : 0));
}

class mmu_pv final : public pv_mmu_ops {
 public:
  explicit mmu_pv(kernel_state& k);

  pte_t make_pte(pfn_t pfn, u64 flags) const override;
  std::optional<pfn_t> pte_pfn(pte_t entry) const override;
  void pgd_alloc(mm& mm) override;
  void pgd_free(mm& mm) override;
  void activate_mm(mm& next) override;
  void dup_mmap(mm& child) override;
  void exit_mmap(mm& mm) override;
  void alloc_ptpage(mm& mm, pfn_t pfn, unsigned level) override;
  void release_ptpage(pfn_t pfn, unsigned level) override;
  void set_pte(entry_ref e, pte_t value) override;
  void set_pmd(entry_ref e, pte_t value) override;
  void set_pud(entry_ref e, pte_t value) override;
  void set_p4d(entry_ref e, pte_t value) override;
  pte_t ptep_modify_prot_start(mm& mm, u64 va, entry_ref e) override;
  void ptep_modify_prot_commit(mm& mm, u64 va, entry_ref e, pte_t value) override;
  void enter_lazy_mmu() override;
  void leave_lazy_mmu() override;
  void flush_lazy_mmu() override;
  void start_context_switch(task& prev) override;
  void end_context_switch(task& next) override;
  void write_cr3(pfn_t pgd) override;
  void flush_tlb_user() override;
  void flush_tlb_one_user(u64 va) override;
  void flush_tlb_multi(u64 cpus, mm& mm, u64 start, u64 end) override;
  void pagetable_init() override;
  void check_pt_base(pfn_t table) override;
  void decrease_reservation(pfn_t page) override;
  void pre_suspend() override;
  void post_suspend() override;

 private:
  using page_fn = void (mmu_pv::*)(pfn_t pfn, unsigned level);

  // mmu_pv.cpp
  u64 machine_ptr(entry_ref e, mmu_update_cmd cmd = MMU_NORMAL_PT_UPDATE) const;
  void set_upper(entry_ref e, pte_t value, std::string_view caller);
  void set_pfn_prot(pfn_t pfn, u64 prot, u64 flags, std::string_view caller);
  mmuext_op_t op_on(mmuext_cmd cmd, pfn_t pfn) const;
  void load_cr3(bool kernel, std::optional<pfn_t> pgd);

  // lazy_mode.cpp
  [[noreturn]] void lazy_mode_bug(std::string_view function);
  void enter_lazy(lazy_mode mode, std::string_view function);
  void leave_lazy(lazy_mode mode, std::string_view function);
  void arch_enter_lazy_mmu_mode();
  void arch_leave_lazy_mmu_mode();

  // pgd_pin.cpp
  bool pins_l1s(bool guarded) const;
  void unlock_when_sent(pfn_t l1);
  void pgd_walk(pfn_t table, unsigned level, page_fn visit);
  void pin_page(pfn_t pfn, unsigned level);
  void unpin_page(pfn_t pfn, unsigned level);
  /// `mm`: for whom, as trace points tell it.
  void pgd_pin(const mm& mm, pfn_t pgd);
  void pgd_unpin(const mm& mm, pfn_t pgd);
  void drop_mm_ref(mm& mm);
  void drop_mm_ref_this_cpu(mm& mm);

  // suspend_pv.cpp
  void mm_pin_all();
  void mm_unpin_all();

  kernel_state& k_;
  xen_hypercall xen_;
  multicalls mc_;
  std::vector<pfn_t> current_cr3_;  ///< per CPU: what the processor has loaded for certain (xen_current_cr3)
  pfn_t shared_info_{};             ///< a frame of ours in the place of Xen's shared info page
};

}  // namespace pvmmu::guest
