#pragma once
// The steps of a scenario that are a kernel's own operations: exec, mmap, touch … Whoever has a kernel can run them,
// over the channel or bound to a machine in the same process.

#include "tools/address_spaces.h"
#include "tools/step_outcome.h"

namespace pvmmu::tools {

/// Carries out `step` on `k`, and leaves in `outcome` what a process would learn of it. Throws guest::guest_stopped.
void perform_kernel_step(const scenario::step& step, guest::kernel& k, address_spaces& spaces, step_outcome& outcome);

}  // namespace pvmmu::tools
