#pragma once
// The real machine's state while it stands still, as a recording has it.

#include "tools/lab/memory_image.h"
#include "tools/snapshot_records.h"

namespace pvmmu::tools {

/// dom0's frames and tables, with what its vCPUs run on. Throws lab::lab_error where the frame table counts other uses
/// of an L4 than its pin and these vCPUs.
machine_state read_state(const lab::memory_image& xen, std::vector<recording::loaded_tables> vcpus);

}  // namespace pvmmu::tools
