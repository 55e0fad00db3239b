#pragma once
// The heart of mremap: moving entries of a process's page tables, a table at a time where the kernel can, otherwise one
// by one (linux 6.1 mm/mremap.c move_page_tables).

#include "guest-pv/kernel_state.h"

namespace pvmmu::guest {

/// Moves what `len` bytes at `old_va` are mapped to, to `new_va`. The areas are those that the ranges lie in; nothing
/// is mapped in the new one.
void move_page_tables(kernel_state& k, mm& mm, const vma& old_area, u64 old_va, const vma& new_area, u64 new_va,
                      u64 len);

}  // namespace pvmmu::guest
