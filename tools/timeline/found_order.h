#pragma once
// The order of a recording's pieces in which all comes out as recorded, where there is one (replay_order.h).

#include "tools/timeline/recorded_run.h"
#include "tools/timeline/replay_order.h"

namespace pvmmu::tools {

/// Plays the recording, again and again where calls overlapped, and returns the order in which it came farthest without
/// a difference. Throws std::invalid_argument for what cannot be played.
replay_order find_order(const recorded_run& run, bool shows_progress);

}  // namespace pvmmu::tools
