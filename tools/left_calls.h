#pragma once
// Calls that Xen left and went on with later. It leaves one by returning the call's own number; the processor then
// calls again, with what is left as arguments. A recording has a piece for each such entry:
//
//   mmu_update {a, b, c}          returned 1         left: a is done with
//   mmu_update {b, c}             returned 0         the rest, with bit 31 set in its count
//
// A multicall is left with the entry in it that was, or between two entries.

#include <optional>

#include "proto/abi/hypercall.h"
#include "recording.pb.h"
#include "tools/replay_preemption.h"

namespace pvmmu::tools {

/// Throws std::invalid_argument for a piece whose lists do not fit what it counts.
void check_counts(const recording::piece& piece);

/// Whether the piece ended before its call did. Of a memory_op: whether it may have: it returns the same when it has
/// done as many extents, and then no other goes on with it.
bool was_left(const recording::piece& piece);
/// Of a multicall: whether its last entry that ran was left.
bool last_entry_left(const recording::piece& piece);
/// Whether `rest` may be what `piece`, which was left, goes on with. Calls that a guest makes in between are not.
bool continues(const recording::piece& piece, const recording::piece& rest);

/// Entries that a batch or a multicall still has to handle; 0 for other calls.
u32 entries_left(const hypercall& call);
/// How far the model must come with `call` for `rest` to be what remains, where `piece` is what was recorded of it.
preempted_at where_left(const hypercall& call, const recording::piece& piece, const wire::hypercall& rest);

/// Entries of kinds that a capture does not hold are missing from a multicall's list: as many calls that the model
/// answers -ENOSYS are added to `call`, and their results to `outcome`, so that the others keep their places. `rest` is
/// nullptr where the call came to its end. Returns how many; throws std::invalid_argument for more than 1024.
u32 add_missing_entries(const recording::piece& piece, const recording::piece* rest, wire::hypercall& call,
                        wire::call_outcome& outcome);

}  // namespace pvmmu::tools
