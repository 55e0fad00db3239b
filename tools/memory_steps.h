#pragma once
// The steps of a scenario that concern a process's memory: system calls and accesses.

#include "tools/address_spaces.h"
#include "tools/step_outcome.h"

namespace pvmmu::tools {

/// What a process learns of a call that was refused, or dies of.
void set_error(step_outcome& outcome, const guest::mm_error& e);

/// Carries out `step` on `k`; what is refused, and what was read, is left in `outcome`.
void perform_memory_step(const scenario::step& step, guest::kernel& k, address_spaces& spaces, step_outcome& outcome);

}  // namespace pvmmu::tools
