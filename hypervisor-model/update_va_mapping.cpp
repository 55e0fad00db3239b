#include "hypervisor-model/update_va_mapping.h"

#include "hypervisor-model/batch.h"
#include "hypervisor-model/foreign.h"
#include "hypervisor-model/machine/page_walk.h"
#include "hypervisor-model/mod_entry.h"
#include "hypervisor-model/unsaid.h"
#include "hypervisor-model/vcpumask.h"

namespace pvmmu::xen {
namespace {

/// Changes the entry of `va` in the L1 that the kernel's tables lead to.
outcome update_entry_of(machine& m, vcpu& curr, u64 va, pte_t val, domain& pg_owner) {
  const auto l1 = map_guest_l1(m, curr.guest_table, va);
  if (!l1) unsaid::no_l1(m, va);
  page_info* const pg = l1 ? get_page_from_mfn(m, *l1, *curr.dom) : nullptr;
  if (!pg) return refuse(xen_errno::einval);
  outcome o = refuse(xen_errno::einval);
  bool is_l1 = false;
  if (page_lock(*pg)) {
    is_l1 = same_type(pg->type_info, PGT_l1_page_table);
    if (is_l1) {
      o = mod_l1_entry(m, *l1, table_slot(va, 1), val, accessed_dirty::overwrite, *curr.dom, pg_owner);
    }
    page_unlock(*pg);
  }
  if (!is_l1) unsaid::not_an_l1(m, *l1, va);
  put_page(m, *pg);
  return o;
}

/// Which vCPUs the flags mean. Nothing: their mask cannot be read.
std::optional<u64> flush_scope(const vcpu& curr, const update_va_mapping_call& call) {
  switch (call.flags & ~UVMF_FLUSHTYPE_MASK) {
    case 0: return u64{1} << curr.id;
    case UVMF_ALL: return curr.dom->dirty_mask();
    default: return vcpumask_to_pcpumask(*curr.dom, call.vcpumask);
  }
}

long update(machine& m, vcpu& curr, const update_va_mapping_call& call, domain& pg_owner) {
  ++m.perfc.calls_to_update_va;
  if (!xsm_target(*curr.dom, pg_owner)) return to_result(xen_errno::eperm);
  const outcome o = update_entry_of(m, curr, call.va, call.val, pg_owner);
  if (!o) {
    // Only an entry that crashed the domain is restarted, by nobody.
    if (o.error() == xen_errno::erestart) return create_continuation(m, curr, HYPERVISOR_update_va_mapping, 1);
    return to_result(o);
  }
  const u64 type = call.flags & UVMF_FLUSHTYPE_MASK;
  if (type != UVMF_TLB_FLUSH && type != UVMF_INVLPG) return 0;
  const auto vcpus = flush_scope(curr, call);
  if (!vcpus) return to_result(xen_errno::efault);
  if (type == UVMF_TLB_FLUSH) {
    m.flush_tlb(*curr.dom, *vcpus, flush_reason::guest);
  } else {
    m.flush_tlb_one(*curr.dom, *vcpus, call.va);
  }
  return 0;
}

}  // namespace

long do_update_va_mapping(machine& m, vcpu& curr, const update_va_mapping_call& call) {
  return update(m, curr, call, *curr.dom);
}

long do_update_va_mapping_otherdomain(machine& m, vcpu& curr, const update_va_mapping_otherdomain_call& call) {
  domain* const pg_owner = get_pg_owner(m, curr, call.domid);
  if (!pg_owner) return to_result(xen_errno::esrch);
  return update(m, curr, call.update, *pg_owner);
}

}  // namespace pvmmu::xen
