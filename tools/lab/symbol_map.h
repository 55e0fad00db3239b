#pragma once
// Where Xen's symbols lie, and what lies at an address: the map that comes with its debug package. Addresses change
// with each version.

#include <filesystem>
#include <map>
#include <string>
#include <unordered_map>

#include "proto/abi/types.h"

namespace pvmmu::lab {

class symbol_map {
 public:
  /// Lines of "0x<address> <type> <name>". Throws lab_error.
  explicit symbol_map(const std::filesystem::path& file);
  /// Throws lab_error if there is none.
  u64 address(const std::string& name) const;
  /// Where the next symbol lies: a function's end. Throws lab_error if there is none.
  u64 end(const std::string& name) const;
  /// "do_mmu_update", or "do_mmu_update+0x1f": the symbol at or before it, of several the map's first. An address
  /// before all symbols is itself.
  std::string name(u64 address) const;

 private:
  std::unordered_map<std::string, u64> addresses_;
  std::map<u64, std::string> names_;
};

}  // namespace pvmmu::lab
