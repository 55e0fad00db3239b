#include "tools/lab/kernel_symbols.h"

#include <algorithm>
#include <iterator>
#include <sstream>
#include <string_view>

namespace pvmmu::lab {
namespace {

constexpr u64 largest_function = u64{1} << 20;  // bytes: what lies farther behind a symbol belongs to none

}  // namespace

kernel_symbols::kernel_symbols(std::span<const std::string> lines) {
  for (const std::string& line : lines) {
    std::istringstream words{line};
    u64 address = 0;
    char type = 0;
    std::string name;
    if (!(words >> std::hex >> address >> type >> name) || address == 0) continue;
    if (std::string_view("tTwW").find(type) == std::string_view::npos) continue;
    functions_.emplace(address, kernel_function{address, address + largest_function, name.substr(0, name.find('.'))});
  }
  kernel_function* before = nullptr;
  for (auto& [begin, function] : functions_) {
    if (before) before->end = std::min(before->end, begin);
    before = &function;
  }
}

const kernel_function* kernel_symbols::function(u64 address) const {
  const auto after = functions_.upper_bound(address);
  if (after == functions_.begin()) return nullptr;
  const kernel_function& found = std::prev(after)->second;
  return address < found.end ? &found : nullptr;
}

}  // namespace pvmmu::lab
