#include "tools/lab/symbol_map.h"

#include <fmt/format.h>

#include <fstream>

#include "tools/lab/lab_error.h"

namespace pvmmu::lab {

symbol_map::symbol_map(const std::filesystem::path& file) {
  std::ifstream lines{file};
  std::string type;
  std::string name;
  for (u64 address = 0; lines >> std::hex >> address >> type >> name;) addresses_.emplace(name, address);
  if (addresses_.empty()) throw lab_error(fmt::format("{}: no map of symbols", file.string()));
}

u64 symbol_map::address(const std::string& name) const {
  const auto found = addresses_.find(name);
  if (found == addresses_.end()) throw lab_error(fmt::format("this Xen has no symbol {}", name));
  return found->second;
}

}  // namespace pvmmu::lab
