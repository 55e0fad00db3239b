#pragma once
// Making and unmaking memory areas: linux 6.1 mm/mmap.c.

#include <span>

#include "guest-pv/kernel_state.h"

namespace pvmmu::guest {

/// -EINVAL or -ENOMEM unless [va, va + len) is a range of whole pages of a process.
mm_result<void> check_user_range(u64 va, u64 len);

/// MAP_FIXED.
mm_result<void> do_mmap(kernel_state& k, mm& mm, u64 va, u64 len, const mapping& what);
mm_result<void> do_munmap(kernel_state& k, mm& mm, u64 va, u64 len);
/// The end of an address space: everything is unmapped and freed, the pgd included.
void exit_mmap(kernel_state& k, mm& mm);
/// The last user is gone: exit_mmap, and `mm` is no more.
void mmput(kernel_state& k, mm& mm);

}  // namespace pvmmu::guest
