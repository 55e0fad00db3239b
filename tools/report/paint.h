#pragma once
// Colours for terminals, by what a line is about.

#include <string>

#include "tools/report/fold.h"

namespace pvmmu::tools {

/// The text in the colour of its role, where colours are wanted.
std::string paint(const std::string& text, line_role role, bool colored);

/// Lines with their indents, painted, each ended by a newline.
std::string paint(const text_block& lines, bool colored);

}  // namespace pvmmu::tools
