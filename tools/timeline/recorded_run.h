#pragma once
// A recording of the real thing, whole in memory and checked as far as it can be without a machine: what it holds comes
// in its order, and no frame lies beyond the machine.
//
//   const recorded_run run = read_run("x.rec");
//   player p{run.header, run.before};                 // player.h

#include "recording.pb.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tools/snapshot_records.h"

namespace pvmmu::tools {

struct recorded_run {
  recording::header header;
  std::optional<machine_state> before;
  std::vector<recording::piece> pieces;
  std::map<u64, std::vector<wire::note>> notes;  ///< by the number of the piece behind them
  std::optional<machine_state> after;            ///< nothing: not recorded
  std::optional<std::string> torn;               ///< what the file's end lacks; then there is no `after`
};

/// Throws `input_error` for a file that is damaged, or whose records make no recording.
recorded_run read_run(const std::string& path);

}  // namespace pvmmu::tools
