#pragma once
// Moving memory: linux 6.1 mm/mremap.c, and what other versions do differently (kernel_profile.h).

#include "guest-pv/kernel_state.h"

namespace pvmmu::guest {

/// mremap(MREMAP_MAYMOVE | MREMAP_FIXED).
mm_result<void> do_mremap(kernel_state& k, mm& mm, u64 old_va, u64 old_len, u64 new_len, u64 new_va);

}  // namespace pvmmu::guest
