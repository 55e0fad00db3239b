#include "tools/diff/word_shape.h"

#include <algorithm>
#include <cctype>

namespace pvmmu::tools {

std::string shape_of(const std::string& line) {
  const auto is_digit = [](char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; };
  const auto is_hex_digit = [](char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; };
  std::string shape;
  for (auto at = line.begin(); at != line.end();) {
    if (*at == '<') {
      shape += *at;
      at = std::find(at, line.end(), '>');
      continue;
    }
    if (!is_digit(*at)) {
      shape += *at++;
      continue;
    }
    const bool hex = *at == '0' && at + 1 != line.end() && at[1] == 'x';
    at = hex ? std::find_if_not(at + 2, line.end(), is_hex_digit) : std::find_if_not(at, line.end(), is_digit);
    shape += '#';
  }
  return shape;
}

}  // namespace pvmmu::tools
