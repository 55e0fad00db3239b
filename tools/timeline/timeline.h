#pragma once
// A recording, step by step and back: the machine as it was behind each of its calls, and what each call did. It holds
// for recordings of the real thing and of the model alike: the calls are made again in the model, and the model tells.
//
//   auto t = timeline::open("x.rec", false);
//   t.go_to(51);                           // forward or back
//   t.step().act.events                    // what the 51st call changed
//   t.machine().page(mfn)                  // the state behind it
//
// A step is a piece of the recording (proto/recording.proto) and has its number there, from 1 on; compare and replay
// print the same numbers. Where calls of several vCPUs overlapped, steps are made in the order that comes out as
// recorded, and `next` says which that is.

#include "recording.pb.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hypervisor-model/machine/machine.h"
#include "tools/report/journal.h"

namespace pvmmu::tools {

/// What was recorded of one step, and what came of it in the model.
struct timeline_step {
  u64 number = 0;                          ///< 0: none was made yet
  recording::piece piece{};                ///< as it was recorded
  std::vector<wire::note> notes{};         ///< said before it
  tools::act act{};                        ///< the call or access with the model's results and events
  std::vector<std::string> differences{};  ///< where the model's answer is not the recorded one
};

class timeline {
 public:
  /// Throws input_error for a file that cannot be played. A torn tail is none: `torn` tells of it.
  static timeline open(const std::string& path, bool shows_progress);
  timeline(timeline&&) noexcept;
  timeline& operator=(timeline&&) noexcept;
  ~timeline();

  const recording::header& header() const;
  u64 size() const;  ///< steps
  /// What was said before step `number`, 1 … size() + 1: behind the last. No step is made for it.
  std::vector<wire::note> notes_before(u64 number) const;
  /// What was said of the names of frames, anywhere in the recording.
  std::vector<wire::note> names() const;
  /// What the file's end lacks: "the last 37 bytes are no complete record"; nothing where it is whole.
  const std::optional<std::string>& torn() const;

  /// Puts the machine behind step `number`, 0 … size(). 0: before the first. Throws input_error for a step that cannot
  /// be made, as in a damaged file, and stands before the first.
  void go_to(u64 number);
  /// The step that is made behind `number`, and the one before it; 0: there is none.
  u64 next(u64 number) const;
  u64 previous(u64 number) const;
  /// The step that is made last; 0: there is none. Where calls overlapped, it need not be size().
  u64 last() const;
  /// The step that the machine stands behind.
  const timeline_step& step() const;
  /// To look at, not to change; until the next go_to.
  xen::machine& machine();

 private:
  struct state;
  explicit timeline(std::unique_ptr<state> s);
  std::unique_ptr<state> state_;
};

}  // namespace pvmmu::tools
