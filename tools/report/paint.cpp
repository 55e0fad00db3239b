#include "tools/report/paint.h"

#include <fmt/format.h>

namespace pvmmu::tools {

namespace {

/// SGR parameters.
std::string_view color_of(line_role role) {
  switch (role) {
    case line_role::plain: return "";
    case line_role::heading: return "1";
    case line_role::dim: return "2";
    case line_role::call: return "1;34";
    case line_role::failed: return "1;31";
    case line_role::change: return "36";
    case line_role::work: return "35";
    case line_role::flush: return "34";
    case line_role::message: return "33";
    case line_role::good: return "32";
    case line_role::bad: return "1;31";
  }
  return "";
}

}  // namespace

std::string paint(const std::string& text, line_role role, bool colored) {
  const std::string_view color = color_of(role);
  return !colored || color.empty() || text.empty() ? text : fmt::format("\x1b[{}m{}\x1b[0m", color, text);
}

std::string paint(const text_block& lines, bool colored) {
  std::string text;
  for (const text_line& l : lines) text += std::string(l.indent, ' ') + paint(l.text, l.role, colored) + "\n";
  return text;
}

}  // namespace pvmmu::tools
