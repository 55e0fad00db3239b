#include "tools/hex_option.h"

#include <charconv>
#include <string_view>

#include "tools/command.h"

namespace pvmmu::tools {

u64 parse_hex(const std::string& option, const std::string& text) {
  const std::string_view digits = std::string_view(text).substr(text.starts_with("0x") ? 2 : 0);
  u64 value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  if (digits.empty() || error != std::errc{} || end != digits.data() + digits.size())
    throw input_error(fmt::format("{} {}: a hexadecimal number is expected", option, text));
  return value;
}

}  // namespace pvmmu::tools
