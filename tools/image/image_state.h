#pragma once
// The part of a machine's image that is not memory, as a record. Every field is named on both ways, so that none is
// forgotten: a new one does not compile.

#include "recording.pb.h"

#include "hypervisor-model/machine_image.h"

namespace pvmmu::tools {

/// All but `version` and `pages`.
void encode(const xen::machine_image& image, recording::machine_image& record);
/// Without its pages. Throws std::invalid_argument for what is no image.
xen::machine_image decode(const recording::machine_image& record);

}  // namespace pvmmu::tools
