#pragma once
// The kernel's trace points: the events xen:* of linux 6.1 include/trace/events/xen.h, by the same names and with the
// same fields, told where Linux emits them (arch/x86/xen/mmu_pv.c, multicalls.c). What a hypercall answers has no
// event.
//
//   struct printer : guest::trace_listener {
//     void on_trace(vcpu_id_t cpu, const guest::trace::event& e) override { … std::visit(…, e) … }
//   };
//   k.trace_to(&printer);        // nullptr: nobody listens, and an event costs one comparison
//
// Pointers are addresses in the direct map, as Linux's are. Entries are as they are stored, with machine frames. An mm
// is told by its pgd's frame.

#include <array>
#include <variant>

#include "proto/abi/frame.h"
#include "proto/abi/pte.h"

namespace pvmmu::guest {

/// PARAVIRT_LAZY_*: what a CPU collects instead of doing it at once.
enum class lazy_mode : u8 { none = 0, mmu = 1, cpu = 2 };

namespace trace {

enum class callback_function : u8 { xen_pte_unlock, set_current_cr3 };
enum class flush_reason : u8 { batch, args, callback };  ///< XEN_MC_FL_*
enum class extend_result : u8 { ok, bad_op, no_space };  ///< XEN_MC_XE_*
enum class pt_level : u8 { pgd, p4d, pud, pmd, pte };    ///< Linux's numbers: the root is 0

struct xen_mc_batch {
  lazy_mode mode;  ///< that the CPU is in
};
struct xen_mc_issue {
  lazy_mode mode;  ///< in which the batch may wait
};
struct xen_mc_entry {
  u32 op;
  std::array<u64, 6> args;
};
struct xen_mc_entry_alloc {
  u64 args;  ///< bytes
};
struct xen_mc_callback {
  callback_function fn;
  u64 data;
};
struct xen_mc_flush_reason {
  flush_reason reason;
};
struct xen_mc_flush {
  u64 mcidx;   ///< entries
  u64 argidx;  ///< bytes of arguments
  u64 cbidx;   ///< callbacks
};
struct xen_mc_extend_args {
  u32 op;
  u64 args;  ///< bytes
  extend_result res;
};

struct xen_mmu_set_pte {
  u64 ptep;
  pte_t pteval;
};
struct xen_mmu_set_pmd {
  u64 pmdp;
  pte_t pmdval;
};
struct xen_mmu_set_pud {
  u64 pudp;
  pte_t pudval;
};
struct xen_mmu_set_p4d {
  u64 p4dp;
  u64 user_p4dp;  ///< 0: none
  pte_t p4dval;
};
struct xen_mmu_ptep_modify_prot_start {
  pfn_t mm;
  u64 addr;
  u64 ptep;
  pte_t pteval;
};
struct xen_mmu_ptep_modify_prot_commit {
  pfn_t mm;
  u64 addr;
  u64 ptep;
  pte_t pteval;
};
struct xen_mmu_alloc_ptpage {
  pfn_t mm;
  pfn_t pfn;
  pt_level level;
  bool pinned;  ///< the address space is
};
struct xen_mmu_release_ptpage {
  pfn_t pfn;
  pt_level level;
  bool pinned;  ///< the page is
};
struct xen_mmu_pgd_pin {
  pfn_t mm;
  u64 pgd;
};
struct xen_mmu_pgd_unpin {
  pfn_t mm;
  u64 pgd;
};
struct xen_mmu_flush_tlb_one_user {
  u64 addr;
};
struct xen_mmu_flush_tlb_multi {
  u32 ncpus;
  pfn_t mm;
  u64 addr;
  u64 end;
};
struct xen_mmu_write_cr3 {
  bool kernel;
  u64 cr3;  ///< the pgd's address by the kernel's own frame number
};

using event =
    std::variant<xen_mc_batch, xen_mc_issue, xen_mc_entry, xen_mc_entry_alloc, xen_mc_callback, xen_mc_flush_reason,
                 xen_mc_flush, xen_mc_extend_args, xen_mmu_set_pte, xen_mmu_set_pmd, xen_mmu_set_pud, xen_mmu_set_p4d,
                 xen_mmu_ptep_modify_prot_start, xen_mmu_ptep_modify_prot_commit, xen_mmu_alloc_ptpage,
                 xen_mmu_release_ptpage, xen_mmu_pgd_pin, xen_mmu_pgd_unpin, xen_mmu_flush_tlb_one_user,
                 xen_mmu_flush_tlb_multi, xen_mmu_write_cr3>;

}  // namespace trace

class trace_listener {
 public:
  virtual ~trace_listener() = default;
  virtual void on_trace(vcpu_id_t cpu, const trace::event& e) = 0;
};

}  // namespace pvmmu::guest
