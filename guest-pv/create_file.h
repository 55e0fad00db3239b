#pragma once
// Files to map: all of their pages are in the page cache, as those of an initrd's are.

#include "guest-pv/kernel_state.h"

namespace pvmmu::guest {

/// Page i of the new file begins with the word i + 1. -EINVAL unless `len` is a number of whole pages, -EEXIST.
mm_result<void> create_file(kernel_state& k, const std::string& name, u64 len, unsigned folio_order);

}  // namespace pvmmu::guest
