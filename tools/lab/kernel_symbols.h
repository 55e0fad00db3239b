#pragma once
// A kernel's functions, as its /proc/kallsyms lists them.
//
//   kernel_symbols symbols{session.read_kallsyms(120s)};
//   symbols.function(0xffffffff8100a3c5)->name          // "xen_mc_flush"

#include <map>
#include <optional>
#include <span>
#include <string>

#include "proto/abi/types.h"

namespace pvmmu::lab {

struct kernel_function {
  u64 begin;
  u64 end;           ///< where the next one begins
  std::string name;  ///< as in the source: what the compiler added (".part.0", ".isra.0") is cut off
};

class kernel_symbols {
 public:
  /// Lines "address type name": those that are functions count, all others are skipped.
  explicit kernel_symbols(std::span<const std::string> lines);

  bool empty() const { return functions_.empty(); }
  /// The function that the address lies in; nullptr for an address that cannot be in any.
  const kernel_function* function(u64 address) const;

 private:
  std::map<u64, kernel_function> functions_;  ///< by address
};

}  // namespace pvmmu::lab
