#pragma once
// A step in words, for headings: "mremap 0x200000000000 → 0x300000000000, 2 MiB".

#include <scenario.pb.h>

#include <string>

#include "proto/abi/types.h"

namespace pvmmu::tools {

std::string action_text(const scenario::step& step);

/// "2 MiB": in the largest unit that divides it.
std::string bytes_text(u64 bytes);

}  // namespace pvmmu::tools
