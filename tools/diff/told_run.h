#pragma once
// A recorded run as it is held against another: step by step of its scenario, each call, access and line of a kernel's
// log with its words, and with those words again as they mean the same in any run.
//
//   told_run run(t);                            // a timeline
//   for (std::size_t i = 0; i < run.titles().size(); ++i)
//     told_step s = run.next();                 // s.title, s.all, s.cost

#include <string>
#include <vector>

#include "tools/diff/frame_roles.h"
#include "tools/report/tally.h"
#include "tools/timeline/timeline.h"

namespace pvmmu::tools {

/// A call with what it changed, a load or store, or a line that a kernel logged.
struct told {
  u64 step = 0;                        ///< of the recording; 0: a line
  std::string vcpu{};                  ///< "d0v0"
  std::string caller{};                ///< the kernel function, where it is known
  text_block lines{};                  ///< as act_text has them, nothing folded
  std::vector<std::string> neutral{};  ///< the same as frame_roles has them, without the caller and entries' numbers
  std::string asked{};                 ///< of that what the guest asked for; what came of it is left out
  std::string words{};                 ///< that in a few words: "2× set L1, clear L1"

  bool is_line() const { return step == 0; }
};

/// Whether lines of this role are what was asked for, and not what came of it.
bool is_asked(line_role role);
/// Of such a line, as frame_roles has it, what the guest asked for: no result, and of "old → new" the new.
std::string asked_in(const std::string& line);

/// A step of the scenario, or what comes before the first.
struct told_step {
  std::string title;  ///< "step 7  mremap …"; empty before the first
  std::vector<told> all{};
  tally cost{};
};

class told_run {
 public:
  /// Plays it once, for the titles, and goes back to its beginning.
  explicit told_run(timeline& t);
  /// Of each of the scenario's steps. What comes before the first has the first, empty one.
  const std::vector<std::string>& titles() const { return titles_; }
  /// The steps in order: as many as there are titles. Accesses of which Xen saw nothing are left out,
  /// but for what programs read.
  told_step next();
  /// Of the steps so far.
  tally cost() const { return cost_.result(); }
  const frame_roles& roles() const { return roles_; }

 private:
  told tell();

  timeline& timeline_;
  frame_roles roles_;
  std::vector<wire::note> notes_at_end_;
  std::vector<std::string> titles_{""};
  std::size_t begun_ = 0;  ///< of the scenario's steps
  u64 at_ = 0;             ///< the next step of the recording; 0: none is left
  std::size_t note_ = 0;   ///< the next of its notes
  tally_taker cost_;
};

}  // namespace pvmmu::tools
