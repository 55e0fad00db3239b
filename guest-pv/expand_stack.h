#pragma once
// Stacks grow down to where they are touched: linux 6.1 mm/mmap.c expand_stack.

#include "guest-pv/mm.h"

namespace pvmmu::guest {

/// The area that `va` lies in, after a stack above it has grown there if it may; nullptr if there is none.
vma* find_vma_expanding(mm& mm, u64 va);

}  // namespace pvmmu::guest
