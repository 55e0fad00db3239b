#pragma once
// Which steps have to do with a frame, or with an address.
//
// A step touches a frame where it changes its counts, its type or its entries, or an entry that maps it, where it loads
// it, and where the call names it, even if Xen refused. It touches an address where it changes an entry that the
// processor's walk to it passes, in some address space before or behind it.

#include <optional>
#include <vector>

#include "hypervisor-model/machine/machine.h"
#include "tools/report/journal.h"

namespace pvmmu::tools {

/// Ascending, each once.
std::vector<u64> touched_frames(const act& a);

/// The events of `a` that have to do with `mfn`.
std::vector<const owned_event*> events_of_frame(const act& a, mfn_t mfn);

/// The changes of entries on the way to `va` in the address spaces that are, or were before `a`; or in that of the L4
/// `cr3` alone. `m` stands behind `a`.
std::vector<const owned_event*> events_on_walk(const xen::machine& m, const act& a, u64 va,
                                               const std::optional<mfn_t>& cr3);

}  // namespace pvmmu::tools
