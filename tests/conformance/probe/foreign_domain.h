#pragma once
// The domain beside ours: programs ask for frames of it, and dom0 may do much to them.

#include "tests/conformance/probe/program.h"

namespace pvmmu::probe {

/// Makes the domain `foreign_domid`, with one vCPU that never runs.
void create_foreign_domain();

/// Gives it fresh frames, at pfns that it does not have yet. Their mfns go to `mfns`.
void populate_foreign_domain(u32 frames, u64* mfns);

/// Xen takes back all that it had, but for what we still refer to.
void destroy_foreign_domain();

}  // namespace pvmmu::probe
