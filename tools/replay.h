#pragma once
// `pvmmu replay FILE`: repeats a recording in the model, call by call, and holds what the model answers against what
// was recorded: each call's result and what a continuation goes on with, then every frame's counts and type, and the
// tables.
//
// The processor sets accessed and dirty bits, which no call shows. So these bits are not compared; and where a recorded
// compare-and-exchange says what an entry held, bits that it has beyond the model's are adopted first, and counted.
//
// Calls of several vCPUs that overlapped are replayed in the order of their entries, or in another that comes out as
// recorded (timeline/replay_order.h).

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "proto/abi/types.h"

namespace pvmmu::tools {

struct replay_report {
  enum kind : unsigned { results, frames, table_entries, kinds };

  std::string guest;
  std::string hypervisor;
  std::optional<std::string> torn;  ///< what the recording's end lacks: then the state after the last call as well
  u64 calls = 0;                    ///< entries into the hypervisor, and entries of multicalls
  u64 overlapping = 0;              ///< pieces that were entered before an earlier one was left
  u64 continuations_predicted = 0;  ///< pieces that the model left by itself, as recorded
  u64 true_preemptions = 0;         ///< pieces that it left because the recording did
  u64 accessed_dirty_adopted = 0;   ///< entries whose A or D bit was taken from the recording
  u64 frames_compared = 0;
  u64 tables_compared = 0;

  std::array<u64, kinds> differ{};
  /// The first differences of each kind: where, what was expected, what came.
  std::array<std::vector<std::string>, kinds> first_differences;

  bool as_recorded() const { return differ == std::array<u64, kinds>{}; }
  /// "0 results differ, 0 frames differ, 0 table entries differ"
  std::string verdict() const;
};

/// Throws `input_error` where the file is damaged, or no recording that can be replayed.
replay_report replay(const std::string& recording_path, bool shows_progress);

}  // namespace pvmmu::tools
