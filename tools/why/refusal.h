#pragma once
// What went wrong in a step, told by the model at the places where it decides: the step is made again with an ear on
// the reasons, which release builds of Xen keep to themselves.
//
//   for (const refused_operation& r : refusals_of(t, 51)) r.rule.rule, r.entry, r.frame

#include <optional>
#include <vector>

#include "tools/why/frame_account.h"
#include "tools/why/rules.h"

namespace pvmmu::tools {

/// An entry of a table that was refused: there already, as its table was to be validated, or to be written.
struct refused_entry {
  mfn_t table{};
  unsigned level = 0;  ///< 0: not known
  unsigned slot = 0;
  pte_t value = 0;
};

/// The frame that the reason names, as it was at that moment.
struct frame_at_fault {
  mfn_t mfn{};
  xen::page_info record{};
  u64 passing = 0;        ///< of its general references, those that Xen held only while it decided
  u64 passing_typed = 0;  ///< … and of its type's
  std::string owner;
  std::vector<held_by> holders{};  ///< of its type, without addresses
};

/// One operation that was refused: a call, an entry of its list or of a multicall, a store.
struct refused_operation {
  std::vector<u32> path{};  ///< indexes of entries: of the multicall, then of the batch
  long result = 0;
  bool grant_status = false;  ///< `result` is the entry's GNTST_*; its call went well
  bool crashed = false;
  refusal_rule rule{};
  std::string where{};               ///< "arch/x86/mm.c:2940"; empty: the error says it all
  std::vector<std::string> words{};  ///< what a debug build prints, or would have to; innermost first
  std::vector<refused_entry> way{};  ///< entries from the one at fault up to the table that was asked for
  std::optional<frame_at_fault> frame{};
};

/// All refusals of step `number`; none: nothing was refused. Leaves the timeline behind that step.
std::vector<refused_operation> refusals_of(timeline& t, u64 number);

/// Whether something was refused in the step that the timeline stands behind, or Xen or the domain had to complain.
bool has_refusal(const timeline_step& step);

}  // namespace pvmmu::tools
