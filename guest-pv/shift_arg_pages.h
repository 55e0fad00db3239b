#pragma once
// The stack that execve has filled moves to where the process shall have it: linux 6.1 fs/exec.c shift_arg_pages
// (6.12 mm/mmap.c relocate_vma_down).

#include "guest-pv/kernel_state.h"

namespace pvmmu::guest {

/// Moves the area `stack`, below which nothing is mapped, down by `shift` bytes: its entries one by one, into tables of
/// their own; then the tables that served the old place alone are freed.
void shift_arg_pages(kernel_state& k, mm& mm, const vma& stack, u64 shift);

}  // namespace pvmmu::guest
