#pragma once
// A capture small enough to see through: a domain of two L4s that run, an L3 under the kernel's, and a few frames. One
// call pins an L1 that maps a frame writable. Tests spoil it in one place.

#include <map>
#include <string>
#include <vector>

#include "proto/abi/types.h"

namespace pvmmu::tools {

struct small_frame {
  u64 count_info = 0;
  u64 type_info = 0;
  u32 owner = 0;
};

struct small_capture {
  static constexpr u64 kernel_l4 = 0x400;
  static constexpr u64 user_l4 = 0x401;
  static constexpr u64 l3 = 0x402;
  static constexpr u64 l1 = 0x403;
  static constexpr u64 data = 0x404;

  std::vector<small_frame> before;
  std::vector<small_frame> after;
  std::vector<std::string> lines;

  small_capture();
  /// Writes PREFIX.ft0, PREFIX.ft1 and PREFIX.jsonl.
  void write(const std::string& prefix) const;
};

/// Replaces `path` by `path`.xz.
void compress(const std::string& path);

}  // namespace pvmmu::tools
