#pragma once
// A scenario as the text of a file: one line for what fits in one, else a line a field.

#include <scenario.pb.h>

#include <string>

namespace pvmmu::tools {

std::string scenario_text(const scenario::scenario& s);

}  // namespace pvmmu::tools
