#include "hypervisor-model/cr3.h"

#include "hypervisor-model/ldt.h"
#include "hypervisor-model/messages.h"
#include "hypervisor-model/page_type.h"
#include "proto/abi/hypercall.h"

namespace pvmmu::xen {
namespace {

constexpr unsigned ro_m2p_slot = 256;

/// Drops the table that was loaded before. Where that is preempted, the vCPU finishes it first thing next time.
outcome drop_l4(machine& m, vcpu& curr, mfn_t mfn) {
  if (mfn.n == 0) return {};
  page_info& pg = m.page(mfn);
  const outcome o = put_page_and_type_preemptible(m, pg);
  if (o) return {};
  defer_old_guest_table(curr, pg, nullptr, o.error() == xen_errno::erestart);
  return refuse(xen_errno::erestart);
}

/// write_ptbase: the processor's TLB is emptied with it.
void write_ptbase(machine& m, vcpu& curr) { m.flush_tlb(*curr.dom, u64{1} << curr.id, flush_reason::cr3); }

}  // namespace

outcome get_root_table(machine& m, const domain& d, mfn_t mfn) {
  const outcome o = get_page_and_type_from_mfn(m, mfn, PGT_l4_page_table, d, PTF_preemptible);
  return preempted(o) ? outcome{refuse(xen_errno::erestart)} : o;
}

void show_ro_m2p(machine& m, const domain& d, mfn_t l4) {
  if (!d.has_assist(VMASST_TYPE_m2p_strict) && m.words(l4)[ro_m2p_slot] == 0)
    m.write_pte(l4, ro_m2p_slot, m.xen_l4_slots[0]);
}

void hide_ro_m2p(machine& m, const domain& d, mfn_t l4) {
  if (d.has_assist(VMASST_TYPE_m2p_strict) && m.words(l4)[ro_m2p_slot] != 0) m.write_pte(l4, ro_m2p_slot, 0);
}

outcome new_guest_cr3(machine& m, vcpu& curr, mfn_t mfn) {
  if (const outcome o = put_old_guest_table(m, curr); !o) return o;
  const mfn_t old = curr.guest_table;
  // Also how a call ends that was preempted while it dropped the old table.
  if (old == mfn) {
    write_ptbase(m, curr);
    return {};
  }
  if (const outcome o = get_root_table(m, *curr.dom, mfn); !o) {
    if (o.error() != xen_errno::erestart) messages::error_installing_baseptr(m, mfn);
    return o;
  }
  pv_destroy_ldt(m, curr);
  show_ro_m2p(m, *curr.dom, mfn);
  curr.guest_table = mfn;
  m.notify(event_kind::cr3, curr.id, mfn, old.n, mfn.n);
  write_ptbase(m, curr);
  return drop_l4(m, curr, old);
}

outcome new_user_baseptr(machine& m, vcpu& curr, mfn_t mfn) {
  const mfn_t old = curr.guest_table_user;
  if (old == mfn) return {};
  if (mfn.n != 0) {
    if (const outcome o = get_root_table(m, *curr.dom, mfn); !o) {
      if (o.error() != xen_errno::erestart) messages::error_installing_user_baseptr(m, to_result(o), mfn.n);
      return o;
    }
    hide_ro_m2p(m, *curr.dom, mfn);
  }
  curr.guest_table_user = mfn;
  m.notify(event_kind::cr3_user, curr.id, mfn, old.n, mfn.n);
  return drop_l4(m, curr, old);
}

}  // namespace pvmmu::xen
