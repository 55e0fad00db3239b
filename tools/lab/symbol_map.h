#pragma once
// Where Xen's symbols lie: the map that comes with its debug package. Addresses change with each version.

#include <filesystem>
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

 private:
  std::unordered_map<std::string, u64> addresses_;
};

}  // namespace pvmmu::lab
