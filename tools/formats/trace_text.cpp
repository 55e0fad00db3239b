#include "tools/formats/trace_text.h"

#include <fmt/format.h>

#include "proto/abi/hypercall.h"

namespace pvmmu::tools {
namespace {

using namespace guest::trace;  // the events, by their names in Linux

const char* name(guest::lazy_mode mode) {
  switch (mode) {
    case guest::lazy_mode::none: return "NONE";
    case guest::lazy_mode::mmu: return "MMU";
    case guest::lazy_mode::cpu: return "CPU";
  }
  return "?";
}

const char* name(flush_reason reason) {
  switch (reason) {
    case flush_reason::batch: return "BATCH";
    case flush_reason::args: return "ARGS";
    case flush_reason::callback: return "CALLBACK";
  }
  return "?";
}

const char* name(extend_result result) {
  switch (result) {
    case extend_result::ok: return "OK";
    case extend_result::bad_op: return "BAD_OP";
    case extend_result::no_space: return "NO_SPACE";
  }
  return "?";
}

const char* name_of_op(u32 op) {
  switch (op) {
    case HYPERVISOR_mmu_update: return "(mmu_update)";
    case HYPERVISOR_update_va_mapping: return "(update_va_mapping)";
    case HYPERVISOR_mmuext_op: return "(mmuext_op)";
    default: return "";
  }
}

const char* name(callback_function fn) {
  return fn == callback_function::xen_pte_unlock ? "xen_pte_unlock" : "set_current_cr3";
}

/// pte_mfn_to_pfn: a frame that is not the domain's leaves an entry that is not present.
pte_t own_numbers(pte_t raw, const frame_numbers& mfn_to_pfn) {
  if (!present(raw)) return raw;
  const u64 flags = raw & ~PTE_ADDR_MASK;
  const auto pfn = mfn_to_pfn(pte_mfn(raw));
  return pfn ? make_pte(mfn_t{pfn->n}, flags) : flags & ~PAGE_PRESENT;
}

class writer {
 public:
  explicit writer(const frame_numbers& mfn_to_pfn) : mfn_to_pfn_(mfn_to_pfn) {}

  std::string operator()(const xen_mc_batch& e) const {
    return fmt::format("xen_mc_batch: start batch LAZY_{}", name(e.mode));
  }
  std::string operator()(const xen_mc_issue& e) const {
    return fmt::format("xen_mc_issue: start batch LAZY_{}", name(e.mode));
  }
  std::string operator()(const xen_mc_entry& e) const {
    return fmt::format("xen_mc_entry: op {}{} args [{:x}, {:x}, {:x}, {:x}, {:x}, {:x}]", e.op, name_of_op(e.op),
                       e.args[0], e.args[1], e.args[2], e.args[3], e.args[4], e.args[5]);
  }
  std::string operator()(const xen_mc_entry_alloc& e) const {
    return fmt::format("xen_mc_entry_alloc: alloc entry {} arg bytes", e.args);
  }
  std::string operator()(const xen_mc_callback& e) const {
    return fmt::format("xen_mc_callback: callback {}, data {:016x}", name(e.fn), e.data);
  }
  std::string operator()(const xen_mc_flush_reason& e) const {
    return fmt::format("xen_mc_flush_reason: flush reason {}", name(e.reason));
  }
  std::string operator()(const xen_mc_flush& e) const {
    return fmt::format("xen_mc_flush: flushing {} hypercalls, {} arg bytes, {} callbacks", e.mcidx, e.argidx, e.cbidx);
  }
  std::string operator()(const xen_mc_extend_args& e) const {
    return fmt::format("xen_mc_extend_args: extending op {}{} by {} bytes res {}", e.op, name_of_op(e.op), e.args,
                       name(e.res));
  }
  std::string operator()(const xen_mmu_set_pte& e) const {
    return fmt::format("xen_mmu_set_pte: ptep {:016x} pteval {}", e.ptep, entry(e.pteval));
  }
  std::string operator()(const xen_mmu_set_pmd& e) const {
    return fmt::format("xen_mmu_set_pmd: pmdp {:016x} pmdval {}", e.pmdp, entry(e.pmdval));
  }
  std::string operator()(const xen_mmu_set_pud& e) const {
    return fmt::format("xen_mmu_set_pud: pudp {:016x} pudval {}", e.pudp, entry(e.pudval));
  }
  // Linux takes an entry that has its own numbers already for a raw one, and translates it once more.
  std::string operator()(const xen_mmu_set_p4d& e) const {
    return fmt::format("xen_mmu_set_p4d: p4dp {:016x} user_p4dp {:016x} p4dval {}", e.p4dp, e.user_p4dp,
                       entry(own_numbers(e.p4dval, mfn_to_pfn_)));
  }
  std::string operator()(const xen_mmu_ptep_modify_prot_start& e) const {
    return fmt::format("xen_mmu_ptep_modify_prot_start: {}", modify_prot(e));
  }
  std::string operator()(const xen_mmu_ptep_modify_prot_commit& e) const {
    return fmt::format("xen_mmu_ptep_modify_prot_commit: {}", modify_prot(e));
  }
  std::string operator()(const xen_mmu_alloc_ptpage& e) const {
    return fmt::format("xen_mmu_alloc_ptpage: mm {:016x}  {}", e.mm.n, ptpage(e));
  }
  std::string operator()(const xen_mmu_release_ptpage& e) const {
    return fmt::format("xen_mmu_release_ptpage: {}", ptpage(e));
  }
  std::string operator()(const xen_mmu_pgd_pin& e) const {
    return fmt::format("xen_mmu_pgd_pin: mm {:016x} pgd {:016x}", e.mm.n, e.pgd);
  }
  std::string operator()(const xen_mmu_pgd_unpin& e) const {
    return fmt::format("xen_mmu_pgd_unpin: mm {:016x} pgd {:016x}", e.mm.n, e.pgd);
  }
  std::string operator()(const xen_mmu_flush_tlb_one_user& e) const {
    return fmt::format("xen_mmu_flush_tlb_one_user: addr {:x}", e.addr);
  }
  std::string operator()(const xen_mmu_flush_tlb_multi& e) const {
    return fmt::format("xen_mmu_flush_tlb_multi: ncpus {} mm {:016x} addr {:x}, end {:x}", e.ncpus, e.mm.n, e.addr,
                       e.end);
  }
  std::string operator()(const xen_mmu_write_cr3& e) const {
    return fmt::format("xen_mmu_write_cr3: {} cr3 {:x}", e.kernel ? "kernel" : "user", e.cr3);
  }

 private:
  std::string entry(pte_t raw) const {
    return fmt::format("{:016x} (raw {:016x})", own_numbers(raw, mfn_to_pfn_), raw);
  }
  template <class E>
  std::string modify_prot(const E& e) const {
    return fmt::format("mm {:016x} addr {:x} ptep {:016x} pteval {}", e.mm.n, e.addr, e.ptep, entry(e.pteval));
  }
  template <class E>
  std::string ptpage(const E& e) const {
    return fmt::format("pfn {:x}  level {}  {}pinned", e.pfn.n, static_cast<unsigned>(e.level), e.pinned ? "" : "un");
  }

  const frame_numbers& mfn_to_pfn_;
};

}  // namespace

std::string trace_text(const guest::trace::event& e, const frame_numbers& mfn_to_pfn) {
  return std::visit(writer(mfn_to_pfn), e);
}

}  // namespace pvmmu::tools
