#pragma once
// A call in words that mean the same on every machine:
//
//   multicall
//     update_va_mapping  L1#4 read-only P|A|D|NX
//     mmuext_op          PIN_L1_TABLE L1#4
//
// L1#4 is the fourth table that the comparison came across, page 17 the seventeenth frame of memory; a frame that was
// freed and is used again has another name. Two calls are alike where their words are.

#include <string>
#include <vector>

#include "proto/abi/types.h"

namespace pvmmu::compare {

/// A call that is no multicall, or an entry of one.
struct described_entry {
  std::string name;                     ///< "mmu_update"
  std::vector<std::string> operations;  ///< those that are compared
  s64 result = 0;
  friend bool operator==(const described_entry&, const described_entry&) = default;
};

struct described_call {
  u64 number = 0;  ///< in the stream, from 1
  vcpu_id_t vcpu = 0;
  std::string caller;  ///< the kernel function, where it is known
  bool multicall = false;
  std::vector<described_entry> entries{};

  bool alike(const described_call& o) const {
    return vcpu == o.vcpu && multicall == o.multicall && entries == o.entries;
  }
  /// Without a newline at the end.
  std::string text() const;
};

}  // namespace pvmmu::compare
