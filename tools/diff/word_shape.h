#pragma once
// A line without its numbers and frames: what it says, of whatever and however often.

#include <string>

namespace pvmmu::tools {

/// "<> L#  type count #→#  count #→#" of a line as frame_roles has it.
std::string shape_of(const std::string& line);

}  // namespace pvmmu::tools
