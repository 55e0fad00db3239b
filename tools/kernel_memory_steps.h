#pragma once
// The steps of a scenario that concern a kernel's own memory: its direct map, what it maps beside it, what it gives
// back to Xen. They name frames.

#include "tools/raw_call.h"
#include "tools/step_outcome.h"

namespace pvmmu::guest {
class kernel;
}

namespace pvmmu::tools {

bool is_kernel_memory_step(const scenario::step& step);

/// Carries out `step` on `k`. Throws guest::guest_stopped, and unresolved where a name stands for no frame of the
/// domain.
void perform_kernel_memory_step(const scenario_file& file, const scenario::step& step, guest::kernel& k,
                                const name_resolver& names, step_outcome& outcome);

}  // namespace pvmmu::tools
