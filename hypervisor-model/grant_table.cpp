#include "hypervisor-model/grant_table.h"

#include <algorithm>
#include <array>
#include <cassert>

#include "hypervisor-model/batch.h"
#include "hypervisor-model/grant_mapping.h"
#include "hypervisor-model/grant_version.h"
#include "hypervisor-model/maptrack.h"

namespace pvmmu::xen {
namespace {

constexpr u32 unmap_batch = 32;  ///< unmaps between two TLB flushes

/// A grant: the word that its domain writes, and what Xen keeps of it while it is mapped.
struct grant {
  machine& m;
  domain& owner;
  u32 ref;

  mfn_t frame_of_table() const { return owner.grants.shared[ref / grants_per_frame]; }
  u64 word() const { return m.words(frame_of_table())[ref % grants_per_frame]; }
  void write(u64 value) const { m.write_pte(frame_of_table(), ref % grants_per_frame, value); }
  /// GTF_reading and GTF_writing lie in the grant itself, or in a status frame beside the table.
  void clear_status(u64 bits) const {
    if (owner.grants.version == 1) return write(word() & ~bits);
    const grant_status_place at = place_of_status(owner.grants, ref);
    m.write_pte(at.frame, at.slot, m.words(at.frame)[at.slot] & ~(bits << at.shift));
  }
  active_grant_entry& active() const { return owner.grants.active[ref]; }
};

/// Tells the granting domain that its grant is in use (xen 4.17 grant_table.c:748).
grant_status set_status(const grant& g, domid_t mapper, bool readonly) {
  if (g.owner.grants.version != 1) return GNTST_general_error;  // entries of version 2 are not modelled
  const u64 word = g.word();
  const bool granted = (word & (GTF_type_mask | GTF_sub_page)) == GTF_permit_access && (word >> 16 & 0xffff) == mapper;
  if (g.active().pin == 0 && !granted) return GNTST_general_error;
  if (!readonly && (word & GTF_readonly)) return GNTST_general_error;
  g.write(word | GTF_reading | (readonly ? 0 : GTF_writing));
  return GNTST_okay;
}

/// Takes back what `set_status` said, as far as no mapping is left that needs it.
void reduce_status_for_pin(const grant& g, bool readonly) {
  const u32 pin = g.active().pin;
  u64 clear = pin == 0 ? GTF_reading : 0;
  if (!readonly && !(pin & (GNTPIN_hstw_mask | GNTPIN_devw_mask))) clear |= GTF_writing;
  if (clear != 0) g.clear_status(clear);
}

/// Counts one more mapping of the grant. The first one looks up its frame, with a general reference (`pg`).
grant_status pin_grant(const grant& g, domid_t mapper, u32 flags, page_info*& pg) {
  active_grant_entry& act = g.active();
  const u32 increment = pin_increment(flags);
  const u32 overflow = increment << 7;
  const bool readonly = (flags & GNTMAP_readonly) != 0;
  if (act.pin != 0 && (act.domid != mapper || (act.pin & overflow))) return GNTST_general_error;
  if (act.pin == 0 || (!readonly && !(act.pin & (GNTPIN_hstw_mask | GNTPIN_devw_mask)))) {
    if (const grant_status s = set_status(g, mapper, readonly); s != GNTST_okay) return s;
  }
  if (act.pin == 0) {
    const mfn_t mfn{g.word() >> 32};
    pg = get_page_from_mfn(g.m, mfn, g.owner);
    if (!pg) {
      reduce_status_for_pin(g, readonly);
      return GNTST_bad_page;
    }
    act.domid = mapper;
    act.mfn = mfn;
  }
  act.pin += increment;
  return GNTST_okay;
}

/// References that a mapping has taken so far, to be undone where it fails.
struct taken_references {
  unsigned general = 0;
  unsigned typed = 0;

  bool take_type(machine& m, page_info& pg) {
    if (!get_page_type(m, pg, PGT_writable_page)) return false;
    ++typed;
    return true;
  }
  void drop(machine& m, page_info& pg) {
    for (; typed != 0; --typed) put_page_type(m, pg);
    for (; general != 0; --general) put_page(m, pg);
  }
};

/// Takes the references of the mapping and makes it, `pg` being the frame with one reference, if it is still in use.
grant_status make_mappings(machine& m, vcpu& curr, const domain& granter, const gnttab_map_grant_ref_t& op,
                           page_info& pg, taken_references& taken) {
  const bool device = (op.flags & GNTMAP_device_map) != 0;
  const bool readonly = (op.flags & GNTMAP_readonly) != 0;
  if (taken.general == 0 || m.page_owner(pg) != &granter) return GNTST_general_error;
  if (device && !readonly && !taken.take_type(m, pg)) return GNTST_general_error;
  if (!(op.flags & GNTMAP_host_map)) return GNTST_okay;
  if (device) {
    if (!get_page(m, pg, granter)) return GNTST_general_error;
    ++taken.general;
  }
  if (!readonly && !taken.take_type(m, pg)) return GNTST_general_error;
  return create_grant_pv_mapping(m, curr, op.host_addr, m.mfn_of(pg), op.flags);
}

grant_status map_grant(machine& m, vcpu& curr, const grant& g, gnttab_map_grant_ref_t& op) {
  page_info* pg = nullptr;
  if (const grant_status s = pin_grant(g, curr.dom->domid, op.flags, pg); s != GNTST_okay) return s;
  taken_references taken;
  if (!pg) {  // mapped before: the frame may have gone since
    pg = &m.page(g.active().mfn);
    taken.general = page_get_owner_and_reference(m, *pg) ? 1 : 0;
  } else {
    taken.general = 1;
  }
  const grant_status s = make_mappings(m, curr, g.owner, op, *pg, taken);
  if (s != GNTST_okay) {
    taken.drop(m, *pg);
    g.active().pin -= pin_increment(op.flags);
    reduce_status_for_pin(g, (op.flags & GNTMAP_readonly) != 0);
  }
  return s;
}

/// xen 4.17 grant_table.c:985.
grant_status map_grant_ref(machine& m, vcpu& curr, gnttab_map_grant_ref_t& op) {
  if (pin_increment(op.flags) == 0) return GNTST_bad_gntref;
  domain* const rd = m.find_domain(op.dom);
  if (!rd) return GNTST_bad_domain;
  const auto handle = get_maptrack_handle(curr);
  if (!handle) return GNTST_no_space;
  const grant_status s = op.ref < rd->grants.nr_entries() ? map_grant(m, curr, {m, *rd, op.ref}, op) : GNTST_bad_gntref;
  if (s != GNTST_okay) {
    put_maptrack_handle(*curr.dom, *handle);
    return s;
  }
  grant_mapping& map = curr.dom->grants.maptrack[*handle];
  map.domid = op.dom;
  map.ref = op.ref;
  map.flags = static_cast<u16>(op.flags);
  op.dev_bus_addr = mfn_to_maddr(rd->grants.active[op.ref].mfn).bytes;
  op.handle = *handle;
  return GNTST_okay;
}

/// What an unmap has to drop once no TLB has the mapping any more.
struct unmapped {
  domain* granter = nullptr;
  u32 ref = 0;
  mfn_t mfn{};
  u32 done = 0;  ///< GNTMAP_*
};

/// xen 4.17 grant_table.c:1334.
grant_status unmap_common(machine& m, vcpu& curr, const gnttab_unmap_grant_ref_t& op, unmapped& u) {
  auto& maptrack = curr.dom->grants.maptrack;
  if (op.handle >= maptrack.size() || maptrack[op.handle].flags == 0) return GNTST_bad_handle;
  grant_mapping& map = maptrack[op.handle];
  const u32 flags = map.flags;
  u = {m.find_domain(map.domid), map.ref, {}, 0};
  assert(u.granter && "a domain stays as long as its grants are mapped");
  u.mfn = u.granter->grants.active[map.ref].mfn;
  const bool device = op.dev_bus_addr != 0 && (flags & GNTMAP_device_map);
  if (device && op.dev_bus_addr != mfn_to_maddr(u.mfn).bytes) return GNTST_bad_dev_addr;
  if (op.host_addr != 0 && (flags & GNTMAP_host_map)) {
    const grant_status s = replace_grant_pv_mapping(m, curr, op.host_addr, u.mfn, flags);
    if (s != GNTST_okay) return s;
    u.done |= GNTMAP_host_map;
  }
  if (device) u.done |= GNTMAP_device_map;
  map.flags = static_cast<u16>(flags & ~u.done);
  if (u.done != 0) u.done |= flags & GNTMAP_readonly;
  if (!(map.flags & (GNTMAP_device_map | GNTMAP_host_map))) {
    map.flags = 0;
    put_maptrack_handle(*curr.dom, op.handle);
  }
  return GNTST_okay;
}

/// Drops the reference of one mapping, whichever kind.
void put_mapped_page(machine& m, page_info& pg, bool readonly) {
  if (readonly) {
    put_page(m, pg);
  } else {
    put_page_and_type(m, pg);
  }
}

/// xen 4.17 grant_table.c:1572.
void unmap_common_complete(machine& m, const unmapped& u) {
  if (u.done == 0) return;
  const grant g{m, *u.granter, u.ref};
  const bool readonly = (u.done & GNTMAP_readonly) != 0;
  for (const u32 kind : {GNTMAP_device_map, GNTMAP_host_map})
    if (u.done & kind) put_mapped_page(m, m.page(u.mfn), readonly);
  g.active().pin -= pin_increment(u.done);
  reduce_status_for_pin(g, readonly);
}

/// A call that is preempted goes on behind the `i` entries that it has handled.
long go_on_behind(machine& m, vcpu& curr, grant_table_op_call& call, u32 i) {
  call.handled = i;
  return create_continuation(m, curr, HYPERVISOR_grant_table_op, call.count - i);
}

long map_all(machine& m, vcpu& curr, grant_table_op_call& call, std::span<gnttab_map_grant_ref_t> uop) {
  for (u32 i = call.handled; i < call.count; ++i) {
    if (i != call.handled && m.hypercall_preempt_check()) return go_on_behind(m, curr, call, i);
    if (i >= uop.size()) return to_result(xen_errno::efault);
    m.notify(event_kind::entry, i, {}, 0, 0);
    uop[i].status = map_grant_ref(m, curr, uop[i]);
  }
  return 0;
}

/// The entries go first, then the TLBs are flushed, then the references: nobody can still use what is dropped.
long unmap_all(machine& m, vcpu& curr, grant_table_op_call& call, std::span<gnttab_unmap_grant_ref_t> uop) {
  for (u32 i = call.handled; i < call.count;) {
    std::array<unmapped, unmap_batch> batch;
    const u32 size = std::min(call.count - i, unmap_batch);
    u32 n = 0;
    for (; n < size && i < uop.size(); ++n, ++i) {
      m.notify(event_kind::entry, i, {}, 0, 0);
      uop[i].status = unmap_common(m, curr, uop[i], batch[n]);
    }
    m.flush_tlb(*curr.dom, curr.dom->dirty_mask(), flush_reason::grant_unmap);
    for (u32 done = 0; done < n; ++done) unmap_common_complete(m, batch[done]);
    if (n < size) return to_result(xen_errno::efault);
    if (i < call.count && m.hypercall_preempt_check()) return go_on_behind(m, curr, call, i);
  }
  return 0;
}

}  // namespace

std::optional<mfn_t> gnttab_grow_table(machine& m, domain& d) {
  const auto mfn = m.alloc_xenheap_page();
  if (!mfn) return std::nullopt;
  share_xen_page_with_guest(m, d, *mfn);
  gnttab_use_frame(d, *mfn);
  return mfn;
}

void gnttab_use_frame(domain& d, mfn_t shared) {
  d.grants.shared.push_back(shared);
  d.grants.active.resize(d.grants.shared.size() * grants_per_frame);
}

long do_grant_table_op(machine& m, vcpu& curr, grant_table_op_call& call) {
  if (static_cast<s32>(call.count) < 0) return to_result(xen_errno::einval);
  if (auto* maps = std::get_if<std::span<gnttab_map_grant_ref_t>>(&call.uop)) return map_all(m, curr, call, *maps);
  if (auto* unmaps = std::get_if<std::span<gnttab_unmap_grant_ref_t>>(&call.uop))
    return unmap_all(m, curr, call, *unmaps);
  if (auto* version = std::get_if<gnttab_set_version_t>(&call.uop)) return gnttab_set_version(m, *curr.dom, *version);
  return gnttab_get_status_frames(m, *curr.dom, call.count, std::get<gnttab_get_status_frames_t>(call.uop));
}

void gnttab_release_mappings(machine& m, domain& d) {
  // The references of host mappings go with the page tables.
  for (grant_mapping& map : d.grants.maptrack) {
    if (map.flags == 0) continue;
    domain* const granter = m.find_domain(map.domid);
    assert(granter && "a domain stays as long as its grants are mapped");
    const grant g{m, *granter, map.ref};
    const bool readonly = (map.flags & GNTMAP_readonly) != 0;
    if (map.flags & GNTMAP_device_map) put_mapped_page(m, m.page(g.active().mfn), readonly);
    g.active().pin -= pin_increment(map.flags);
    reduce_status_for_pin(g, readonly);
    map.flags = 0;
  }
}

}  // namespace pvmmu::xen
