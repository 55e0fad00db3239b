#pragma once
// A recording as the kernel's trace events xen:*, line by line in the form of tracefs, so that it can be read by
// whoever reads those, and be held against a real kernel's trace:
//
//             pvmmu-0       [000] .....    51.000000: xen_mmu_set_pmd: pmdp ffff88800003a000 pmdval … (raw …)
//
// There is no clock: the time is the number of the step that the event came before, in seconds, and the event's order
// before that step, in microseconds.

#include <functional>
#include <string_view>

#include "tools/timeline/timeline.h"

namespace pvmmu::tools {

/// All events of a run of the model; of a real recording those that follow from its hypercalls (followed_events.h).
/// `out` gets whole lines. Moves the timeline to its end.
void write_ftrace(timeline& t, const std::function<void(std::string_view)>& out);

}  // namespace pvmmu::tools
