#pragma once
// The names of what a memory_op comes to. Reservations answer with a number of extents, whatever stopped them: here
// that is told as "all", "some", "none" where the first extent failed, and "refused" where Xen looked at no extent.

#include <string_view>

#include "proto/abi/memory_op.h"
#include "tools/conform/aim.h"

namespace pvmmu::conform {

/// "populate_physmap", "exchange"; "exchange: a later chunk" once something was exchanged; "memory_op other command".
std::string_view memory_operation(const memory_op_call& call);

/// Of a reservation; nothing for the other commands, which answer with an errno. `first`: the extent at which the call
/// began; `began`: Xen looked at one.
std::string_view extents_outcome(const memory_op_call& call, u64 first, s64 result, bool began);

/// Which operation giving back extent `i` of a decrease is, by the frame that it begins with. Nothing for other
/// commands.
std::string_view decrease_operation(const xen::machine& m, const memory_op_call& call, u64 i);

}  // namespace pvmmu::conform
