#pragma once
// Faults on memory that comes from somewhere: a file, shared memory, the kernel's own pages. linux 6.1 mm/memory.c
// do_fault, mm/filemap.c filemap_map_pages, mm/shmem.c shmem_fault.

#include "guest-pv/fault.h"

namespace pvmmu::guest {

/// Fills the none entry at `va`: a read maps what the page cache has around it too, a write to private memory maps a
/// copy. The entry's table is there. SIGBUS beyond the file's end.
mm_result<void> do_fault(kernel_state& k, const vma& area, u64 va, entry_ref pte, fault_kind kind);

}  // namespace pvmmu::guest
