#pragma once
// Why a frame's counts are what they are: its holders, found without reading a count, and whether they add up.
//
//   const xens_share share(t);                             // what Xen held before the recording
//   const frame_account account = account_for(t, share, mfn, 51);
//   account.adds_up()
//
// In a recording of the real thing Xen itself holds references from before that no snapshot tells of (a vCPU's info
// page, descriptor tables, buffers): they are what was left over at the beginning, and must stay that.

#include <map>

#include "hypervisor-model/audit_holders.h"
#include "tools/why/origins.h"

namespace pvmmu::tools {

/// References that memory does not show.
struct unseen_references {
  u64 general = 0;
  u64 typed = 0;
  u64 type = 0;  ///< which type, where `typed`
};

/// What was left over of each frame's counts before the first step.
class xens_share {
 public:
  /// Leaves the timeline behind step 0.
  explicit xens_share(timeline& t);
  unseen_references of(mfn_t mfn) const;
  bool empty() const { return share_.empty(); }
  const std::map<mfn_t, unseen_references>& all() const { return share_; }

 private:
  std::map<mfn_t, unseen_references> share_;
};

/// A frame's record against what holds it.
struct balance {
  u64 count = 0;  ///< what the record says
  u64 type_count = 0;
  xen::reference_sum seen{};  ///< what holds it, without Xen's share
  unseen_references share{};
  s64 general_off() const;  ///< how many general references the record has more than are held
  s64 typed_off() const;
  bool adds_up() const { return general_off() == 0 && typed_off() == 0 && foreign_types() == 0; }
  /// References to types that the frame does not have.
  u64 foreign_types() const;
  u64 type_info = 0;
};

balance balance_of(const xen::page_info& pg, const xen::reference_sum& seen, const unseen_references& share);

struct held_by {
  xen::holder holder;
  std::vector<xen::entry_address> addresses{};  ///< of a table's entry; at most so many as are shown
  bool more_addresses = false;
  origin made{};
};

struct frame_account {
  u64 step = 0;
  mfn_t mfn{};
  xen::page_info record{};
  std::string owner;  ///< "d0", "nobody", "Xen"
  std::vector<held_by> holders{};
  balance sum{};
};

/// Leaves the timeline behind `step`. Throws input_error for a frame that the machine does not have.
frame_account account_for(timeline& t, const xens_share& share, mfn_t mfn, u64 step);

/// "d0", "dom_io", "nobody".
std::string owner_text(xen::machine& m, mfn_t mfn);

}  // namespace pvmmu::tools
