#pragma once
// Text in the columns of a terminal. UTF-8; what reports are made of takes one column a character.

#include <cstddef>
#include <string>

#include "tools/report/fold.h"

namespace pvmmu::tools {

std::size_t columns_of(const std::string& text);

/// The text in at most `columns`; one that is too long ends with "…".
std::string cut(const std::string& text, std::size_t columns);

/// The text with blanks up to `columns`.
std::string padded(const std::string& text, std::size_t columns);

/// The lines in at most `columns`: what does not fit goes on in the next line, a little further in.
text_block wrapped(const text_block& lines, std::size_t columns);

/// What a recording says, as a terminal may have it: control characters, which could do anything there, as "?".
text_block printable(text_block lines);

}  // namespace pvmmu::tools
