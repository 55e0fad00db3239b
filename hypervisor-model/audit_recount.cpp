#include "hypervisor-model/audit_recount.h"

namespace pvmmu::xen {

recount::recount(machine& m, std::vector<audit_finding>& findings) : m_(m), findings_(findings) {
  visit_references(m_, *this);
  for (const auto& d : m_.domains()) check_pins(*d);
}

reference_sum recount::sum_of(mfn_t mfn) const {
  struct adder : reference_visitor {
    reference_sum sum;
    bool on_owned(mfn_t) override { return true; }
    void on_reference(mfn_t, const holder& h) override { sum.add(h); }
  } all;
  if (const auto found = sums_.find(mfn); found != sums_.end()) all.sum = found->second;
  visit_marks(m_, mfn, all);
  return all.sum;
}

void recount::on_reference(mfn_t mfn, const holder& h) {
  reference_sum& sum = sums_[mfn];
  sum.add(h);
  if (!h.linear) return;
  ++sum.linear_in;
  ++sums_[h.table].linear_out;
}

void recount::check_pins(const domain& granter) {
  std::unordered_map<u32, u32> pins;
  for (const auto& d : m_.domains()) {
    for (const grant_mapping& map : d->grants.maptrack) {
      if (map.flags != 0 && map.domid == granter.domid) pins[map.ref] += pin_increment(map.flags);
    }
  }
  for (u32 ref = 0; ref < granter.grants.active.size(); ++ref) {
    const active_grant_entry& act = granter.grants.active[ref];
    const auto found = pins.find(ref);
    const u32 expected = found == pins.end() ? 0 : found->second;
    if (act.pin == expected) continue;
    findings_.push_back(
        {"I1", act.mfn,
         fmt::format("grant {} of d{} is pinned {:08x}, mapped {:08x}", ref, granter.domid, act.pin, expected)});
  }
}

}  // namespace pvmmu::xen
