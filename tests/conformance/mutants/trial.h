#pragma once
// A model that may be broken held against what the real Xen has answered: in a process of its own, because what is
// broken may well crash.

#include <optional>
#include <span>
#include <vector>

#include "tools/conform/comparison.h"

namespace pvmmu::conform {

/// The first difference of each of `which` of the boot's programs, each run alone on a machine of its own. A program in
/// which the model crashes, or does not come to an end, tells nothing: then the comparison has not seen it.
std::vector<std::optional<difference>> try_programs(const subject_maker& make, const boot& b,
                                                    std::span<const std::size_t> which);

}  // namespace pvmmu::conform
