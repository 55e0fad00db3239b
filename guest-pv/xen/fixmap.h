#pragma once
// Addresses that the kernel knows at compile time.

#include "proto/abi/types.h"

namespace pvmmu::guest {

/// Where the shared info page is mapped. The real index depends on the configuration; it is among these 2 MiB.
inline constexpr u64 FIX_PARAVIRT_BOOTMAP = 0xffffffffff57d000;

}  // namespace pvmmu::guest
