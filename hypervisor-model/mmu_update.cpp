#include "hypervisor-model/mmu_update.h"

#include <cassert>

#include "hypervisor-model/batch.h"
#include "hypervisor-model/foreign.h"
#include "hypervisor-model/messages.h"
#include "hypervisor-model/mod_entry.h"
#include "hypervisor-model/unsaid.h"

namespace pvmmu::xen {
namespace {

/// Who is concerned: the caller, the owner of the tables, the owner of the frames that they map.
struct parties {
  domain& caller;
  domain& pt_owner;
  domain& pg_owner;
};

bool xsm_mmu_update(const parties& p) {
  const bool may_use_frames = p.pg_owner.domid == DOMID_IO || xsm_target(p.caller, p.pg_owner);
  return may_use_frames && xsm_target(p.caller, p.pt_owner);
}

/// Writes one entry of a frame that is typed, by what it is typed as.
outcome update_typed(machine& m, const parties& p, mfn_t mfn, unsigned slot, pte_t val, u32 cmd,
                     bool& flush_linear_pt) {
  const page_info& pg = m.page(mfn);
  const auto ad = cmd == MMU_PT_UPDATE_PRESERVE_AD ? accessed_dirty::preserve : accessed_dirty::overwrite;
  const unsigned level = table_level(pg.type_info);
  if (level == 1) return mod_l1_entry(m, mfn, slot, val, ad, p.pt_owner, p.pg_owner);
  if (level != 0) {
    if (&p.pg_owner != &p.pt_owner) {
      unsaid::foreign_upper_entry(m, level, mfn);
      return refuse(xen_errno::einval);
    }
    const outcome o = mod_upper_entry(m, level, mfn, slot, val, ad, p.pt_owner);
    if (o) flush_linear_pt = true;
    return o;
  }
  if (!same_type(pg.type_info, PGT_writable_page)) {
    unsaid::neither_table_nor_writable(m, mfn);
    return refuse(xen_errno::einval);
  }
  ++m.perfc.writable_mmu_updates;
  m.write_pte(mfn, slot, val);
  return {};
}

outcome normal_update(machine& m, const parties& p, mmu_update_t req, u32 cmd, bool& flush_linear_pt) {
  if (!xsm_mmu_update(p)) return refuse(xen_errno::eperm);
  const mfn_t mfn = maddr_to_mfn({req.ptr});
  const auto slot = static_cast<unsigned>((req.ptr & PAGE_OFFSET_MASK) / sizeof(pte_t));
  page_info* const pg = get_page_from_mfn(m, mfn, p.pt_owner);
  if (!pg) {
    messages::no_page_for_normal_update(m);
    return refuse(xen_errno::einval);
  }
  outcome o = refuse(xen_errno::einval);
  if (page_lock(*pg)) {
    o = update_typed(m, p, mfn, slot, req.val, cmd, flush_linear_pt);
    page_unlock(*pg);
    if (!o && o.error() == xen_errno::eintr) o = refuse(xen_errno::erestart);
  } else if (get_page_type(m, *pg, PGT_writable_page)) {
    // No table yet, or no more: plain memory, written as the guest could write it itself.
    ++m.perfc.writable_mmu_updates;
    m.write_pte(mfn, slot, req.val);
    put_page_type(m, *pg);
    o = {};
  }
  put_page(m, *pg);
  return o;
}

outcome machphys_update(machine& m, const parties& p, mmu_update_t req) {
  if (&p.caller != &p.pt_owner) return refuse(xen_errno::eperm);
  if (p.pg_owner.domid != DOMID_IO && !xsm_target(p.caller, p.pg_owner)) return refuse(xen_errno::eperm);
  const mfn_t mfn = maddr_to_mfn({req.ptr});
  page_info* const pg = get_page_from_mfn(m, mfn, p.pg_owner);
  if (!pg) {
    messages::no_page_for_machphys(m);
    return refuse(xen_errno::einval);
  }
  m.set_gpfn_from_mfn(mfn, req.val);
  put_page(m, *pg);
  return {};
}

outcome one_update(machine& m, const parties& p, mmu_update_t req, bool& flush_linear_pt) {
  const u32 cmd = static_cast<u32>(req.ptr & (sizeof(pte_t) - 1));
  switch (cmd) {
    case MMU_NORMAL_PT_UPDATE:
    case MMU_PT_UPDATE_PRESERVE_AD:
    case MMU_PT_UPDATE_NO_TRANSLATE: req.ptr -= cmd; return normal_update(m, p, req, cmd, flush_linear_pt);
    case MMU_MACHPHYS_UPDATE: return machphys_update(m, p, req);
    default: return refuse(xen_errno::enosys);
  }
}

/// The entries of one piece. `i` counts those that succeeded.
outcome update_all(machine& m, vcpu& curr, const mmu_update_call& call, const parties& p, u32& i) {
  bool flush_linear_pt = false;
  outcome o;
  for (i = 0; i < call.count; ++i) {
    if (curr.old_guest_table || (i != 0 && m.hypercall_preempt_check())) {
      o = refuse(xen_errno::erestart);
    } else if (i >= call.ureqs.entries.size()) {
      o = refuse(xen_errno::efault);
    } else {
      m.notify(event_kind::entry, i, {}, 0, 0);
      o = one_update(m, p, call.ureqs.entries[i], flush_linear_pt);
    }
    if (!o) break;
  }
  // Whoever looks at its tables through a linear map must see the change; so must the other processors.
  if (flush_linear_pt) m.flush_tlb(p.pt_owner, p.pt_owner.dirty_mask(), flush_reason::table_write);
  return o;
}

/// The owner of the tables: the caller, unless foreigndom's upper half names another. The error is the call's result.
std::expected<domain*, xen_errno> find_pt_owner(machine& m, vcpu& curr, u32 foreigndom) {
  const u32 pt_dom = foreigndom >> 16;
  if (pt_dom == 0) return curr.dom;
  domain* const d = m.find_domain(static_cast<domid_t>(pt_dom - 1));
  if (!d) return refuse(xen_errno::esrch);
  if (d->vcpus.empty()) {
    unsaid::no_vcpu(m, *d);
    return refuse(xen_errno::einval);
  }
  return d;
}

}  // namespace

long do_mmu_update(machine& m, vcpu& curr, mmu_update_call& call) {
  const batch_start start = begin_batch(m, curr, call, call.ureqs, HYPERVISOR_mmu_update, m.perfc.calls_to_mmu_update);
  if (start.result) return *start.result;
  const auto pt_owner = find_pt_owner(m, curr, call.foreigndom);
  if (!pt_owner) {
    // Only a domain that exists but cannot run has got so far that `done` is written (xen 4.17 mm.c:4030).
    if (pt_owner.error() == xen_errno::einval) write_done(call.pdone, start.done);
    return to_result(pt_owner.error());
  }
  domain* const pg_owner = get_pg_owner(m, curr, static_cast<domid_t>(call.foreigndom));
  if (!pg_owner) {
    write_done(call.pdone, start.done);
    return to_result(xen_errno::esrch);
  }
  u32 i = 0;
  const outcome o = update_all(m, curr, call, {*curr.dom, **pt_owner, *pg_owner}, i);
  m.perfc.num_page_updates += i;
  const long result = end_batch(m, curr, call, call.ureqs, HYPERVISOR_mmu_update, i, o);
  write_done(call.pdone, start.done + i);
  return result;
}

}  // namespace pvmmu::xen
