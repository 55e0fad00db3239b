#pragma once
// The shortest program that still differs.

#include <functional>
#include <span>
#include <vector>

#include "tools/lab/program.h"

namespace pvmmu::conform {

/// Which of these programs still show it. Asked with many at a time, because a boot costs seconds and a program
/// nothing.
using judge = std::function<std::vector<bool>(std::span<const lab::program>)>;

/// Drops calls, entries of batches, contents and frames, as long as `shows` says that what is left still does. `p` must
/// show it. The result shows it too, and no program that is one such step smaller does.
lab::program shrink(lab::program p, const judge& shows);

}  // namespace pvmmu::conform
