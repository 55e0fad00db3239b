#include "hypervisor-model/domain.h"

#include <algorithm>
#include <cassert>

#include "hypervisor-model/descriptors.h"
#include "hypervisor-model/grant_table.h"
#include "hypervisor-model/ldt.h"
#include "hypervisor-model/page_type.h"
#include "hypervisor-model/validate.h"

namespace pvmmu::xen {

domain::domain(machine& machine_, domid_t domid_, domain_kind kind_)
    : domain_state{.privileged = kind_ == domain_kind::dom0,
                   .check_l1tf = kind_ == domain_kind::domU && domid_ < DOMID_FIRST_RESERVED},
      m(machine_),
      domid(domid_),
      kind(kind_) {
  perdomain_l4e = make_pte({first_perdomain_frame + domid_ % perdomain_frames}, PAGE_HYPERVISOR_RW);
}

bool domain::iomem_access_permitted(mfn_t mfn) const {
  return std::ranges::any_of(iomem_caps, [mfn](const mfn_range& r) { return r.contains(mfn); });
}

u64 domain::dirty_mask() const {
  u64 mask = 0;
  for (const auto& v : vcpus) {
    if (v->guest_table.n != 0) mask |= u64{1} << v->id;
  }
  return mask;
}

void share_xen_page_with_guest(machine& m, domain& d, mfn_t mfn) {
  page_info& pg = m.page(mfn);
  m.set_gpfn_from_mfn(mfn, INVALID_PFN.n);
  m.set_type_info(pg, PGT_writable_page | PGT_validated | 1);
  m.set_count_info(pg, PGC_xen_heap | PGC_allocated | 1);
  m.adopt_page(d, mfn);
}

void domain_crash(domain& d) {
  d.m.notify(event_kind::crash, d.domid, {}, 0, 0);
  d.crashed = true;
}

namespace {

/// Teardown is not preempted here: Xen's restarts until it is done, and nothing else of the domain runs meanwhile.
void finish(const outcome& o) { assert(o && "nothing preempts a teardown"); }

}  // namespace

void vcpu_destroy(machine& m, vcpu& v) {
  m.current = &v;
  finish(put_old_guest_table(m, v));
  for (mfn_t* table : {&v.guest_table, &v.guest_table_user}) {
    const mfn_t mfn = std::exchange(*table, mfn_t{});
    if (mfn.n != 0) finish(put_page_and_type_preemptible(m, m.page(mfn)));
  }
  pv_destroy_ldt(m, v);
  destroy_gdt(m, v);
}

namespace {

/// Forces a table of a dead domain down although references are left: they come from linear entries in a circle, or
/// the table was only partly (de)validated (xen 4.17 domain.c:2210).
void force_devalidate(machine& m, page_info& pg, u64 type) {
  const u64 x = pg.type_info;
  if (!same_type(x, type) || (x & (PGT_validated | PGT_partial)) == 0) return;
  m.set_type_info(pg, x & ~(PGT_validated | PGT_partial));
  finish(devalidate_page(m, pg, x));
  if (x & PGT_partial) {
    m.set_type_info(pg, pg.type_info - 1);
    put_page(m, pg);
  }
}

/// One pass over the domain's frames: drops pins and allocation references, then forces tables of `type` down.
void relinquish_memory(machine& m, domain& d, u64 type) {
  std::vector<mfn_t> list;
  for (u32 n = d.page_list; n != 0; n = m.page({n}).next) list.push_back({n});
  std::ranges::sort(list, std::greater{});  // so that the heap gives them out again in ascending order
  for (const mfn_t mfn : list) {
    page_info& pg = m.page(mfn);
    if (pg.owner != d.owner() || !get_page(m, pg, d)) continue;  // freed meanwhile
    if (pg.type_info & PGT_pinned) {
      m.set_type_info(pg, pg.type_info & ~PGT_pinned);
      finish(put_page_and_type_preemptible(m, pg));
    }
    if (pg.count_info & PGC_allocated) {
      m.set_count_info(pg, pg.count_info & ~PGC_allocated);
      put_page(m, pg);
    }
    force_devalidate(m, pg, type);
    put_page(m, pg);
  }
}

}  // namespace

void domain_relinquish_resources(domain& d) {
  machine& m = d.m;
  d.is_dying = true;
  preemption* const schedule = m.preempt_by(nullptr);
  gnttab_release_mappings(m, d);
  for (const auto& v : d.vcpus) vcpu_destroy(m, *v);
  for (unsigned level = 4; level >= 2; --level) relinquish_memory(m, d, table_type(level));
  m.preempt_by(schedule);
  m.current = nullptr;
}

}  // namespace pvmmu::xen
