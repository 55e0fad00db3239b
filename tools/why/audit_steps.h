#pragma once
// The invariants of the PV MMU (hypervisor-model/audit.h), judged behind each step of a recording, or behind the last.
//
//   const auto broken = audit_steps(t, audit_when::each, true);
//   if (broken) print(violation_text(t, *broken));
//
// A recording of the real thing begins with what no snapshot explains: references of Xen's own, and tables that it made
// for dom0 by itself. That is where the audit starts from, and it must stay.

#include <set>
#include <utility>

#include "hypervisor-model/audit_transitions.h"
#include "tools/report/fold.h"
#include "tools/why/frame_account.h"

namespace pvmmu::tools {

enum class audit_when : u8 { each, end };

/// Judges the state that a timeline stands behind.
class step_audit {
 public:
  /// Leaves the timeline behind step 0.
  explicit step_audit(timeline& t);
  /// What is broken and was not broken before the first step, by frame.
  std::vector<xen::audit_finding> findings(xen::machine& m) const;
  const xens_share& share() const { return share_; }

 private:
  bool was_so(const xen::audit_finding& f) const { return before_.contains({f.invariant, f.mfn}); }

  xens_share share_;
  std::set<std::pair<std::string, mfn_t>> before_;
};

/// What is broken behind one step.
struct violation {
  u64 step = 0;
  std::vector<xen::audit_finding> findings{};
  frame_account account{};  ///< of the first finding's frame
};

/// The first step behind which something is broken; nothing: all is sound.
std::optional<violation> audit_steps(timeline& t, audit_when when, bool shows_progress);

text_block violation_text(const violation& v);

}  // namespace pvmmu::tools
