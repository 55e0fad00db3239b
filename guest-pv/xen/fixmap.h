#pragma once
// Addresses that the kernel knows at compile time.

#include "proto/abi/types.h"

namespace pvmmu::guest {

/// Where the shared info page is mapped: in Debian's 6.1 and 6.12, as a domU that was suspended showed. The index
/// depends on the configuration; it is among these 2 MiB.
inline constexpr u64 FIX_PARAVIRT_BOOTMAP = 0xffffffffff57c000;

}  // namespace pvmmu::guest
