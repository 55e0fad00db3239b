#pragma once
// memory_op as the recorder hears it: structures that hold lists (see record_call.h).

#include "tools/record_call.h"

namespace pvmmu::tools {

/// False: a subcommand that neither takes nor gives frames.
bool take_memory_op(const heard_call& heard, wire::memory_op_call& call);
void take_memory_op_outcome(const heard_call& heard, wire::call_outcome& outcome);

}  // namespace pvmmu::tools
