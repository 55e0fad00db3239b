#pragma once
// What a userfaultfd's monitor asks for: linux 6.1 fs/userfaultfd.c, mm/userfaultfd.c.

#include "guest-pv/kernel_state.h"

namespace pvmmu::guest {

/// UFFDIO_REGISTER_MODE_MISSING.
mm_result<void> userfaultfd_register(kernel_state& k, mm& mm, u64 va, u64 len);
/// mcopy_atomic: page by page, the tables first.
mm_result<void> uffdio_copy(kernel_state& k, mm& mm, u64 dst, u64 src, u64 len);
/// move_pages (linux 6.12), without UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES.
mm_result<void> uffdio_move(kernel_state& k, mm& mm, u64 dst, u64 src, u64 len);

}  // namespace pvmmu::guest
