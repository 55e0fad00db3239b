#pragma once
// Running text in lines of a page's width.

#include <string>
#include <vector>

namespace pvmmu::tools {

inline constexpr std::size_t page_width = 110;  ///< columns

/// The words of `text` in lines of at most `width` bytes; a longer word has a line of its own.
std::vector<std::string> wrap(const std::string& text, std::size_t width);

}  // namespace pvmmu::tools
