#pragma once
// The seam: what Linux's generic memory management asks of a paravirtual backend (linux 6.1
// arch/x86/include/asm/paravirt_types.h struct pv_mmu_ops). Generic code knows no hypervisor beyond this.
//
// All of them act on the vCPU that the processor currently runs as.

#include "guest-pv/pgtable.h"

namespace pvmmu::guest {

struct mm;
struct task;

class pv_mmu_ops {
 public:
  virtual ~pv_mmu_ops() = default;

  // ---- entries: from kernel's frame numbers to what is stored, and back
  virtual pte_t make_pte(pfn_t pfn, u64 flags) const = 0;
  /// The frame of an entry that is not none; nothing if it is none of the kernel's.
  virtual std::optional<pfn_t> pte_pfn(pte_t entry) const = 0;

  // ---- life of an address space
  virtual void pgd_alloc(mm& mm) = 0;
  virtual void pgd_free(mm& mm) = 0;
  virtual void activate_mm(mm& next) = 0;
  virtual void dup_mmap(mm& child) = 0;
  virtual void exit_mmap(mm& mm) = 0;

  // ---- page-table pages of level 1 (PTE) to 3 (PUD), before they are hooked in and after they were unhooked
  virtual void alloc_ptpage(mm& mm, pfn_t pfn, unsigned level) = 0;
  virtual void release_ptpage(pfn_t pfn, unsigned level) = 0;

  // ---- writing entries
  virtual void set_pte(entry_ref e, pte_t value) = 0;
  virtual void set_pmd(entry_ref e, pte_t value) = 0;
  virtual void set_pud(entry_ref e, pte_t value) = 0;
  virtual void set_p4d(entry_ref e, pte_t value) = 0;
  /// The old entry; it may go on collecting accessed and dirty bits, which commit preserves.
  virtual pte_t ptep_modify_prot_start(mm& mm, u64 va, entry_ref e) = 0;
  virtual void ptep_modify_prot_commit(mm& mm, u64 va, entry_ref e, pte_t value) = 0;

  // ---- lazy modes
  virtual void enter_lazy_mmu() = 0;
  virtual void leave_lazy_mmu() = 0;
  /// Sends what a lazy section has queued, and stays in it.
  virtual void flush_lazy_mmu() = 0;
  virtual void start_context_switch(task& prev) = 0;
  virtual void end_context_switch(task& next) = 0;

  // ---- the processor
  virtual void write_cr3(pfn_t pgd) = 0;
  virtual void flush_tlb_user() = 0;
  virtual void flush_tlb_one_user(u64 va) = 0;
  /// Of `mm`, [start, end) in bytes on the CPUs of the set; end = TLB_FLUSH_ALL: everything.
  virtual void flush_tlb_multi(u64 cpus, mm& mm, u64 start, u64 end) = 0;

  // ---- the whole kernel
  /// Builds the kernel's own tables; afterwards the direct map can be used, and init_mm's pgd is loaded everywhere.
  virtual void pagetable_init() = 0;
  /// A page of the domain builder's tables, which are not used any more, becomes memory: writable and cleared.
  virtual void check_pt_base(pfn_t table) = 0;
  /// The balloon gives the frame behind a page of the kernel's back to the hypervisor. The page stays, and has none.
  virtual void decrease_reservation(pfn_t page) = 0;
  virtual void pre_suspend() = 0;
  virtual void post_suspend() = 0;
};

inline constexpr u64 TLB_FLUSH_ALL = ~u64{0};

}  // namespace pvmmu::guest
