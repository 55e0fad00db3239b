#pragma once
// What the model's kernel asks when it runs a scenario, as a stream of calls.

#include "tools/compare/process_image.h"
#include "tools/scenario.h"

namespace pvmmu::compare {

/// Runs the scenario's first domain with this kernel. The stream begins when the scenario has touched the mark; where
/// it does not, its process begins as `image`, in the place of the first exec, and so does the stream. Throws
/// `tools::input_error` for a scenario that the kernel cannot carry out, or that is more than a kernel's steps.
///
/// `schedule` has the vCPU of each recorded call: steps that are under way at the same time call in this order.
call_stream run_on_model(const tools::scenario_file& scenario, guest::kernel_config config, const process_image& image,
                         std::vector<vcpu_id_t> schedule = {});

/// The addresses that the scenario works with, but for the mark.
std::vector<va_range> ranges_of(const scenario::scenario& scenario);

}  // namespace pvmmu::compare
