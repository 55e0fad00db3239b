#pragma once
// What a written program expects, held against what the real Xen said.

#include <string>
#include <vector>

#include "tools/conform/named_program.h"
#include "tools/lab/machine_facts.h"
#include "tools/lab/memory_image.h"

namespace pvmmu::conform {

/// One line for each expectation that is not met, with where it stands. Frames are looked at in the end, so only what
/// is expected of them after the last call is judged.
std::vector<std::string> unmet(const named_program& p, const lab::program_answer& real, const lab::memory_image& memory,
                               const lab::machine_facts& facts);

}  // namespace pvmmu::conform
