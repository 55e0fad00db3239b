#pragma once
// Who made it so: for each holder of a frame, the last step that gave it what it holds.
//
//   const auto found = find_origins(t, mfn, holders, 51);     // goes through the steps up to 51
//   found[0].step                                             // 0: it was so before the recording

#include <span>
#include <string>
#include <vector>

#include "hypervisor-model/audit_references.h"
#include "tools/timeline/timeline.h"

namespace pvmmu::tools {

/// A step, and what it was.
struct origin {
  u64 step = 0;            ///< 0: before the recording
  std::string caller;      ///< the kernel functions; empty: not known
  std::string call;        ///< "mmu_update", "multicall", "emulated_pte_write"
  bool validated = false;  ///< the entry was there before: its reference was taken when its table was validated
};

/// One for each of `holders`, which hold `mfn` behind step `last`. Leaves the timeline behind that step.
std::vector<origin> find_origins(timeline& t, mfn_t mfn, std::span<const xen::holder> holders, u64 last);

/// "step 12, xen_set_pmd: mmu_update"
std::string origin_text(const origin& o);

/// The step that the timeline stands behind, as an origin.
origin origin_of(const timeline_step& step);

}  // namespace pvmmu::tools
