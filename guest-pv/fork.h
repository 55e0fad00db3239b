#pragma once
// fork: linux 6.1 kernel/fork.c dup_mmap, mm/memory.c copy_page_range.

#include "guest-pv/kernel_state.h"

namespace pvmmu::guest {

/// Fills the new `child` with the areas of `parent` and with the entries that page faults could not bring back; private
/// pages become read-only on both sides. Then the backend learns of the child, and the parent's TLB is flushed.
void dup_mmap(kernel_state& k, mm& child, mm& parent);

}  // namespace pvmmu::guest
