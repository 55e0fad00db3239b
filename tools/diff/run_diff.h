#pragma once
// Two recorded runs held against each other: step by step of their scenarios, and in each call by call.
//
//   run_diff d(a, b);                                      // timelines
//   d.each_step([](const step_diff& s) { … });             // in order, those of one run alone included
//   d.alike(), d.a().cost(), end_of(…)
//
// Two calls are alike where their lines are, with frames told by what they are (frame_roles.h): the same run with other
// frames makes no difference. Those that are not alike belong together where the guest asked for the same, or else for
// something of the same kind, or else where the same kernel function asked, or by the same hypercall.

#include <functional>
#include <optional>

#include "tools/diff/align.h"
#include "tools/diff/told_run.h"

namespace pvmmu::tools {

struct step_diff {
  std::optional<told_step> a{};
  std::optional<told_step> b{};
  std::vector<aligned_row> rows{};  ///< of `all` of both

  bool same_title() const;
  bool alike(const aligned_row& row) const;
  /// A call or an access, not a line that was said in between.
  bool is_call(const aligned_row& row) const;
  /// Rows that are not alike.
  u64 differ() const;
  bool alike() const { return same_title() && differ() == 0; }
};

/// The title of a scenario's step without its number, which says how many came before.
std::string unnumbered(const std::string& title);

class run_diff {
 public:
  run_diff(timeline& a, timeline& b) : a_(a), b_(b) {}
  /// Once: it plays both runs.
  void each_step(const std::function<void(const step_diff&)>& visit);
  /// Whether a scenario ran, as its steps say.
  bool has_steps() const { return a_.titles().size() + b_.titles().size() > 2; }
  const told_run& a() const { return a_; }
  const told_run& b() const { return b_; }

 private:
  told_run a_;
  told_run b_;
};

}  // namespace pvmmu::tools
