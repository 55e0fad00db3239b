#pragma once
// All references to each frame, summed up. `audit` compares the sums with the frame table.
//
//   recount seen(m, findings);
//   for (const auto& [mfn, sum] : seen.sums()) …           // only frames that something refers to, or somebody owns
//   seen.sum_of(mfn)                                        // the marks of its own record included

#include <array>
#include <unordered_map>
#include <vector>

#include "hypervisor-model/audit_references.h"

namespace pvmmu::xen {

/// What refers to one frame.
struct reference_sum {
  u64 general = 0;             ///< general references, those that come with a type included
  std::array<u64, 8> typed{};  ///< type references, by type (type_info's bits 63-61)
  s32 linear_out = 0;          ///< its slots that hold a table of its own level
  s32 linear_in = 0;           ///< slots of such tables that hold it
  bool listed = false;         ///< it is on its owner's page list

  void add(const holder& h) {
    general += h.general;
    if (h.typed) ++typed[h.type >> 61];
  }
};

class recount : private reference_visitor {
 public:
  recount(machine& m, std::vector<audit_finding>& findings);
  /// What others hold.
  const std::unordered_map<mfn_t, reference_sum>& sums() const { return sums_; }
  /// … and what the frame's own record says: allocation, pin, partial, shared by Xen.
  reference_sum sum_of(mfn_t mfn) const;

 private:
  bool on_owned(mfn_t mfn) override { return !std::exchange(sums_[mfn].listed, true); }
  void on_reference(mfn_t mfn, const holder& h) override;
  void on_finding(audit_finding&& f) override { findings_.push_back(std::move(f)); }
  void check_pins(const domain& granter);

  machine& m_;
  std::vector<audit_finding>& findings_;
  std::unordered_map<mfn_t, reference_sum> sums_;
};

}  // namespace pvmmu::xen
