#pragma once
// The references that memory itself shows: every table that holds its entries is read, and for each frame it is summed
// up who refers to it, and as what. `audit` compares the sums with the frame table.
//
//   recount seen(m, findings);
//   for (const auto& [mfn, sum] : seen.sums()) …           // only frames that something refers to, or somebody owns

#include <array>
#include <unordered_map>
#include <vector>

#include "hypervisor-model/audit.h"

namespace pvmmu::xen {

/// What refers to one frame.
struct reference_sum {
  u64 general = 0;             ///< general references, those that come with a type included
  std::array<u64, 8> typed{};  ///< type references, by type (type_info's bits 63-61)
  s32 linear_out = 0;          ///< its slots that hold a table of its own level
  s32 linear_in = 0;           ///< slots of such tables that hold it
  bool listed = false;         ///< it is on its owner's page list
};

class recount {
 public:
  recount(machine& m, std::vector<audit_finding>& findings);
  const std::unordered_map<mfn_t, reference_sum>& sums() const { return sums_; }

 private:
  void list_pages(const domain& d);
  void read_table(mfn_t table);
  void read_l1_entry(mfn_t table, unsigned slot, pte_t entry);
  void read_upper_entry(mfn_t table, unsigned level, unsigned slot, pte_t entry, bool general_only);
  void read_vcpu(const vcpu& v);
  void read_grants(const domain& d);
  void check_pins(const domain& granter);
  void hold(mfn_t mfn, u64 type);
  void find(const char* invariant, mfn_t mfn, std::string text);

  machine& m_;
  std::vector<audit_finding>& findings_;
  std::unordered_map<mfn_t, reference_sum> sums_;
};

}  // namespace pvmmu::xen
