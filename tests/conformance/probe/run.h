#pragma once
// One program: its frames, its calls, and the way back.

#include "tests/conformance/probe/grants.h"
#include "tests/conformance/probe/reader.h"
#include "tests/conformance/probe/results.h"
#include "tests/conformance/probe/window.h"

namespace pvmmu::probe {

/// What programs share.
struct environment {
  frame_pool& frames;
  windows& window_maker;
  grant_pool& grants;
  results& answers;
  const u64* l4_entries;  ///< the probe's own L4 as it was at first
};

/// Runs the next program of the module.
void run_program(environment& env, reader& module);

}  // namespace pvmmu::probe
