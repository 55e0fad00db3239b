#pragma once
// The real Xen leaves a long call when an interrupt wants the processor, and goes on later. That is nobody's choice,
// and it shows: a table that is refused after such a pause may stay partial, with a reference lost (xen 4.17
// mm.c:1813). A difference of this kind is no difference if the model, preempted at the same point, does the same.

#include <optional>

#include "tools/lab/lab.h"

namespace pvmmu::conform {

/// The preemption check of the program's run, from 1 on, at which one preemption makes the model do all that the real
/// Xen did; nothing if there is none.
std::optional<u64> preempted_at(const lab::session& session, const lab::program& p, const lab::program_answer& real);

}  // namespace pvmmu::conform
