#pragma once
// The guest memory that a call's arguments point to. Each blob ends where a page ends, and nothing is mapped behind it.

#include "tests/conformance/probe/program.h"

namespace pvmmu::probe {

/// Unmaps the pages behind the blobs.
void guard_blobs();

/// Where a blob of so many bytes begins.
u8* blob_memory(u32 index, u32 bytes);

/// Nothing is mapped there.
u64 unmapped_va();

}  // namespace pvmmu::probe
