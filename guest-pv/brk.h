#pragma once
// The heap: linux 6.1 mm/mmap.c sys_brk, do_brk_flags, do_brk_munmap.

#include "guest-pv/kernel_state.h"

namespace pvmmu::guest {

/// Moves the heap's end from mm.brk to `end`, both rounded up to pages; a heap that has not begun yet begins at
/// `start`. -EINVAL below the beginning, -ENOMEM where something else is mapped.
mm_result<void> do_brk(kernel_state& k, mm& mm, u64 start, u64 end);

}  // namespace pvmmu::guest
