#pragma once
// Bytes as pairs of hexadecimal digits.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proto/abi/types.h"

namespace pvmmu::lab {

std::string hex_of(std::span<const u8> bytes);
/// Nothing if `digits` are no pairs of them.
std::optional<std::vector<u8>> bytes_of_hex(std::string_view digits);

}  // namespace pvmmu::lab
