#include "tools/lab/symbol_map.h"

#include <fmt/format.h>

#include <fstream>
#include <iterator>

#include "tools/lab/lab_error.h"

namespace pvmmu::lab {

symbol_map::symbol_map(const std::filesystem::path& file) {
  std::ifstream lines{file};
  std::string type;
  std::string name;
  for (u64 address = 0; lines >> std::hex >> address >> type >> name;) {
    addresses_.emplace(name, address);
    names_.emplace(address, name);
  }
  if (addresses_.empty()) throw lab_error(fmt::format("{}: no map of symbols", file.string()));
}

u64 symbol_map::address(const std::string& name) const {
  const auto found = addresses_.find(name);
  if (found == addresses_.end()) throw lab_error(fmt::format("this Xen has no symbol {}", name));
  return found->second;
}

u64 symbol_map::end(const std::string& name) const {
  const auto after = names_.upper_bound(address(name));
  if (after == names_.end()) throw lab_error(fmt::format("nothing follows {} in this Xen", name));
  return after->first;
}

std::string symbol_map::name(u64 address) const {
  const auto after = names_.upper_bound(address);
  if (after == names_.begin()) return fmt::format("{:#x}", address);
  const auto& [begin, symbol] = *std::prev(after);
  return address == begin ? symbol : fmt::format("{}+{:#x}", symbol, address - begin);
}

}  // namespace pvmmu::lab
