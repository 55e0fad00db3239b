#pragma once
// Values of options in hexadecimal, with or without 0x, as every message has them.

#include <string>

#include "proto/abi/types.h"

namespace pvmmu::tools {

/// Throws input_error, which names the option, for what is no such number.
u64 parse_hex(const std::string& option, const std::string& text);

}  // namespace pvmmu::tools
