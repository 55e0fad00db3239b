#pragma once
// What a step ended with, and whether that was expected.

#include <functional>
#include <optional>

#include "guest-pv/guest_stopped.h"
#include "proto/abi/frame_state.h"
#include "tools/raw_call.h"
#include "tools/report/journal.h"

namespace pvmmu::tools {

struct step_outcome {
  std::string error;         ///< of a system call: "-EINVAL", or "SIGSEGV"; empty: none
  std::string error_text;    ///< in the guest's words
  std::optional<u64> value;  ///< what was read
  std::optional<guest::guest_stopped::reason> stopped;
  std::string stopped_text;
};

/// What expectations about frames ask after the step.
struct frame_lookup {
  name_resolver names;
  std::function<frame_state(mfn_t)> query;
  std::function<table_contents(mfn_t)> read;
};

/// Thrown where a scenario names something that does not exist when it runs.
struct unresolved {
  finding what;
};

/// Adds a finding to `log` for everything that was expected and did not come, and that came and was not expected.
void judge_step(const scenario_file& file, const scenario::step& step, const step_outcome& outcome,
                const frame_lookup& frames, step_log& log);

/// For runs under other kernels than the scenario's: memory must hold what the scenario says, all else may differ.
void judge_contents(const scenario_file& file, const scenario::step& step, const step_outcome& outcome, step_log& log);

}  // namespace pvmmu::tools
