#include "tools/diff/side_by_side.h"

#include <algorithm>

#include "tools/show/columns.h"

namespace pvmmu::tools {

namespace {

constexpr std::size_t between = 4;       // columns: a blank, the mark, two blanks
constexpr std::size_t least_width = 20;  // of each text

text_block fitted(const std::optional<text_line>& line, std::size_t width) {
  return line ? wrapped(printable({*line}), width) : text_block{};
}

std::string cell(const text_block& lines, std::size_t i) {
  return i < lines.size() ? std::string(lines[i].indent, ' ') + lines[i].text : "";
}

}  // namespace

side_by_side::side_by_side(std::size_t columns)
    : width_(std::max(least_width, (columns - std::min(columns, between)) / 2)) {}

text_block side_by_side::row(const std::optional<text_line>& left, const std::optional<text_line>& right,
                             bool alike) const {
  const text_block a = fitted(left, width_), b = fitted(right, width_);
  const char mark = alike ? ' ' : !right ? '<' : !left ? '>' : '|';
  const line_role role = alike         ? line_role::plain
                         : mark == '|' ? line_role::change
                         : mark == '<' ? line_role::bad
                                       : line_role::good;
  text_block lines;
  for (std::size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
    std::string text = padded(cell(a, i), width_) + ' ' + mark + "  " + cell(b, i);
    text.erase(text.find_last_not_of(' ') + 1);
    lines.push_back({role, 0, std::move(text)});
  }
  return lines;
}

}  // namespace pvmmu::tools
