#pragma once
// The C functions that a compiler calls on its own, and no library is here to offer.

#include "proto/abi/types.h"

extern "C" {
void* memset(void* to, int byte, std::size_t bytes);
void* memcpy(void* to, const void* from, std::size_t bytes);
}
