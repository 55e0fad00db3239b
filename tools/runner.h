#pragma once
// Runs a scenario over the channel:
//
//   connection server{""};                                    // in process
//   journal j = run_scenario(scenario_file::read(path), server);
//   exit with 1 if j.count_findings() != 0

#include "tools/connection.h"
#include "tools/progress.h"
#include "tools/report/journal.h"
#include "tools/running_domain.h"

namespace pvmmu::tools {

/// Each step's expectations are judged as it ends. Throws `input_error` for a machine or domain that cannot be had, and
/// guest::channel_error where the hypervisor's side is gone.
journal run_scenario(const scenario_file& file, connection& server, const kernel_override& kernel = {},
                     progress* bar = nullptr);

/// The same under another kernel: of what the scenario expects, only the memory's contents are judged.
journal run_scenario_under(const scenario_file& file, connection& server, const kernel_override& kernel);

}  // namespace pvmmu::tools
