#pragma once
// The step of a scenario with which a program begins.

#include "tools/address_spaces.h"
#include "tools/step_outcome.h"

namespace pvmmu::tools {

/// Carries out an exec step: the new address space is loaded on the step's vCPU, and what it replaces is no more.
void perform_exec(const scenario::step& step, guest::kernel& k, address_spaces& spaces, step_outcome& outcome);

}  // namespace pvmmu::tools
