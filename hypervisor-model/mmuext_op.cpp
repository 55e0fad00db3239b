#include "hypervisor-model/mmuext_op.h"

#include <cstring>

#include "hypervisor-model/batch.h"
#include "hypervisor-model/cr3.h"
#include "hypervisor-model/foreign.h"
#include "hypervisor-model/ldt.h"
#include "hypervisor-model/messages.h"
#include "hypervisor-model/vcpumask.h"

namespace pvmmu::xen {
namespace {

outcome pin_table(machine& m, vcpu& curr, domain& pg_owner, mfn_t mfn, unsigned level) {
  page_info* const pg = get_page_from_mfn(m, mfn, pg_owner);
  if (!pg) return refuse(xen_errno::einval);
  if (const outcome o = get_page_type_preemptible(m, *pg, table_type(level)); !o) {
    if (!preempted(o)) messages::error_while_pinning(m, to_result(o), *pg);
    if (pg != curr.old_guest_table) put_page(m, *pg);
    return preempted(o) ? outcome{refuse(xen_errno::erestart)} : o;
  }
  if (!(pg->type_info & PGT_pinned)) {
    m.set_type_info(*pg, pg->type_info | PGT_pinned);
    return {};
  }
  messages::already_pinned(m, *pg);
  if (level == 1) {
    put_page_and_type(m, *pg);
  } else {
    defer_old_guest_table(curr, *pg, nullptr, false);
  }
  return refuse(xen_errno::einval);
}

outcome unpin_table(machine& m, vcpu& curr, domain& pg_owner, u64 mfn) {
  page_info* const pg = get_page_from_mfn(m, {mfn}, pg_owner);
  if (!pg) {
    messages::unpin_bad_owner(m, mfn, pg_owner);
    return refuse(xen_errno::einval);
  }
  if (!(pg->type_info & PGT_pinned)) {
    put_page(m, *pg);
    messages::not_pinned(m, mfn);
    return refuse(xen_errno::einval);
  }
  m.set_type_info(*pg, pg->type_info & ~PGT_pinned);
  // Unpinned it is, whatever remains to be taken down.
  if (const outcome o = put_page_and_type_preemptible(m, *pg); !o) {
    defer_old_guest_table(curr, *pg, nullptr, o.error() == xen_errno::erestart);
  }
  put_page(m, *pg);
  return {};
}

outcome flush_multi(machine& m, domain& d, const mmuext_op_t& op) {
  const auto vcpus = vcpumask_to_pcpumask(d, op.vcpumask);
  if (!vcpus) return refuse(xen_errno::einval);
  if (op.cmd == MMUEXT_TLB_FLUSH_MULTI) {
    m.flush_tlb(d, *vcpus, flush_reason::guest);
  } else if (addr_ok(op.arg1)) {
    m.flush_tlb_one(d, *vcpus, op.arg1);
  }
  return {};
}

/// A frame of RAM that belongs to `d` (dom_io has none).
page_info* get_ram(machine& m, domain& d, mfn_t mfn) {
  return d.domid == DOMID_IO ? nullptr : get_page_from_mfn(m, mfn, d);
}

outcome clear_page(machine& m, domain& pg_owner, u64 mfn) {
  page_info* const pg = get_ram(m, pg_owner, {mfn});
  if (!pg || !get_page_type(m, *pg, PGT_writable_page)) {
    if (pg) put_page(m, *pg);
    messages::error_clearing(m, mfn);
    return refuse(xen_errno::einval);
  }
  std::memset(m.words({mfn}), 0, PAGE_SIZE);
  put_page_and_type(m, *pg);
  return {};
}

outcome copy_page(machine& m, domain& pg_owner, u64 to, u64 from) {
  page_info* const src = get_ram(m, pg_owner, {from});
  if (!src) {
    messages::error_copying_from(m, from);
    return refuse(xen_errno::einval);
  }
  page_info* const dst = get_ram(m, pg_owner, {to});
  if (!dst || !get_page_type(m, *dst, PGT_writable_page)) {
    put_page(m, *src);
    if (dst) put_page(m, *dst);
    messages::error_copying_to(m, to);
    return refuse(xen_errno::einval);
  }
  if (dst != src) std::memcpy(m.words({to}), m.words({from}), PAGE_SIZE);
  put_page_and_type(m, *dst);
  put_page(m, *src);
  return {};
}

/// Ops that a domain may only do to itself.
outcome own_op(machine& m, vcpu& curr, const mmuext_op_t& op) {
  domain& d = *curr.dom;
  const u64 self = u64{1} << curr.id;
  switch (op.cmd) {
    case MMUEXT_NEW_BASEPTR: return new_guest_cr3(m, curr, {op.arg1});
    case MMUEXT_NEW_USER_BASEPTR: return new_user_baseptr(m, curr, {op.arg1});
    case MMUEXT_TLB_FLUSH_LOCAL: m.flush_tlb(d, self, flush_reason::guest); return {};
    case MMUEXT_INVLPG_LOCAL:
      if (is_canonical(op.arg1)) m.flush_tlb_one(d, self, op.arg1);
      return {};
    case MMUEXT_TLB_FLUSH_MULTI:
    case MMUEXT_INVLPG_MULTI: return flush_multi(m, d, op);
    case MMUEXT_TLB_FLUSH_ALL: m.flush_tlb(d, d.dirty_mask(), flush_reason::guest); return {};
    case MMUEXT_INVLPG_ALL:
      if (addr_ok(op.arg1)) m.flush_tlb_one(d, d.dirty_mask(), op.arg1);
      return {};
    case MMUEXT_FLUSH_CACHE: return d.may_map_devices() ? outcome{} : refuse(xen_errno::eacces);
    case MMUEXT_FLUSH_CACHE_GLOBAL: return d.may_map_devices() ? outcome{} : refuse(xen_errno::einval);
    default: return set_ldt(m, curr, op.arg1, static_cast<u32>(op.arg2));
  }
}

outcome one_op(machine& m, vcpu& curr, domain& pg_owner, const mmuext_op_t& op) {
  switch (op.cmd) {
    case MMUEXT_PIN_L1_TABLE:
    case MMUEXT_PIN_L2_TABLE:
    case MMUEXT_PIN_L3_TABLE:
    case MMUEXT_PIN_L4_TABLE: return pin_table(m, curr, pg_owner, {op.arg1}, op.cmd - MMUEXT_PIN_L1_TABLE + 1);
    case MMUEXT_UNPIN_TABLE: return unpin_table(m, curr, pg_owner, op.arg1);
    case MMUEXT_NEW_BASEPTR:
    case MMUEXT_NEW_USER_BASEPTR:
    case MMUEXT_TLB_FLUSH_LOCAL:
    case MMUEXT_INVLPG_LOCAL:
    case MMUEXT_TLB_FLUSH_MULTI:
    case MMUEXT_INVLPG_MULTI:
    case MMUEXT_TLB_FLUSH_ALL:
    case MMUEXT_INVLPG_ALL:
    case MMUEXT_FLUSH_CACHE:
    case MMUEXT_FLUSH_CACHE_GLOBAL:
    case MMUEXT_SET_LDT: return &pg_owner == curr.dom ? own_op(m, curr, op) : refuse(xen_errno::eperm);
    case MMUEXT_CLEAR_PAGE: return clear_page(m, pg_owner, op.arg1);
    case MMUEXT_COPY_PAGE: return copy_page(m, pg_owner, op.arg1, op.arg2);
    case MMUEXT_MARK_SUPER:
    case MMUEXT_UNMARK_SUPER: return refuse(xen_errno::eopnotsupp);
    default: return refuse(xen_errno::enosys);
  }
}

outcome all_ops(machine& m, vcpu& curr, const mmuext_op_call& call, domain& pg_owner, u32& i) {
  for (i = 0; i < call.count; ++i) {
    if (curr.old_guest_table || (i != 0 && m.hypercall_preempt_check())) return refuse(xen_errno::erestart);
    if (i >= call.uops.entries.size()) return refuse(xen_errno::efault);
    m.notify(event_kind::entry, i, {}, 0, 0);
    if (const outcome o = one_op(m, curr, pg_owner, call.uops.entries[i]); !o) return o;
  }
  return {};
}

}  // namespace

long do_mmuext_op(machine& m, vcpu& curr, mmuext_op_call& call) {
  const batch_start start = begin_batch(m, curr, call, call.uops, HYPERVISOR_mmuext_op, m.perfc.calls_to_mmuext_op);
  if (start.result) return *start.result;
  domain* const pg_owner = get_pg_owner(m, curr, static_cast<domid_t>(call.foreigndom));
  if (!pg_owner) return to_result(xen_errno::esrch);
  if (!xsm_target(*curr.dom, *pg_owner)) return to_result(xen_errno::eperm);
  u32 i = 0;
  const outcome o = all_ops(m, curr, call, *pg_owner, i);
  m.perfc.num_mmuext_ops += i;
  const long result = end_batch(m, curr, call, call.uops, HYPERVISOR_mmuext_op, i, o);
  write_done(call.pdone, start.done + i);
  return result;
}

}  // namespace pvmmu::xen
