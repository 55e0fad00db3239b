#pragma once
// The lines of two calls side by side. A call's entries stand below it, and below each what it changed, further in:
// what is below one line is held against what is below the other that it belongs to, and against nothing else.

#include <vector>

#include "tools/diff/align.h"
#include "tools/diff/told_run.h"

namespace pvmmu::tools {

/// Whether line i of one says what line j of the other does. A frame with the same number may be told by something else
/// where the runs have parted before: that is no difference here.
bool alike_lines(const told& a, std::size_t i, const told& b, std::size_t j);

/// All lines of both, in order. The heads belong together.
std::vector<aligned_row> align_lines(const told& a, const told& b);

}  // namespace pvmmu::tools
