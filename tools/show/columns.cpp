#include "tools/show/columns.h"

#include <algorithm>

namespace pvmmu::tools {

namespace {

constexpr std::size_t hanging_indent = 2;  // columns
constexpr std::size_t least_columns = 8;   // for text, however far in a line begins

bool begins_character(char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }

/// How many bytes the first `columns` characters have.
std::size_t bytes_of(const std::string& text, std::size_t columns) {
  std::size_t at = 0;
  for (; at < text.size(); ++at)
    if (begins_character(text[at]) && columns-- == 0) break;
  return at;
}

/// Where to break a line: behind the last blank that fits, if that is not too early.
std::size_t break_at(const std::string& text, std::size_t columns) {
  const std::size_t whole = bytes_of(text, columns);
  if (whole == text.size()) return whole;
  const std::size_t blank = text.rfind(' ', whole);
  return blank == std::string::npos || blank < whole / 2 ? whole : blank;
}

void append_wrapped(text_block& to, const text_line& line, std::size_t columns) {
  std::size_t indent = std::min<std::size_t>(line.indent, columns > least_columns ? columns - least_columns : 0);
  std::string rest = line.text;
  do {
    const std::size_t end = break_at(rest, std::max<std::size_t>(columns - indent, 1));
    to.push_back({line.role, static_cast<unsigned>(indent), rest.substr(0, end)});
    rest.erase(0, std::min(rest.find_first_not_of(' ', end), rest.size()));
    if (to.back().indent == line.indent && indent + hanging_indent + least_columns <= columns) indent += hanging_indent;
  } while (!rest.empty());
}

}  // namespace

std::size_t columns_of(const std::string& text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, begins_character));
}

std::string cut(const std::string& text, std::size_t columns) {
  if (columns_of(text) <= columns) return text;
  return columns == 0 ? "" : text.substr(0, bytes_of(text, columns - 1)) + "…";
}

std::string padded(const std::string& text, std::size_t columns) {
  const std::size_t has = columns_of(text);
  return text + std::string(has < columns ? columns - has : 0, ' ');
}

text_block wrapped(const text_block& lines, std::size_t columns) {
  text_block fit;
  for (const text_line& line : lines) append_wrapped(fit, line, columns);
  return fit;
}

text_block printable(text_block lines) {
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; };
  for (text_line& line : lines) {
    std::ranges::replace_if(line.text, is_control, '?');
    // The control characters above ASCII are two bytes of UTF-8.
    for (std::size_t at = line.text.find('\xc2'); at != std::string::npos; at = line.text.find('\xc2', at + 1))
      if (at + 1 < line.text.size() && static_cast<unsigned char>(line.text[at + 1]) < 0xa0)
        line.text.replace(at, 2, "?");
  }
  return lines;
}

}  // namespace pvmmu::tools
