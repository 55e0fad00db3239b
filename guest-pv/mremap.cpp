#include "guest-pv/mremap.h"

#include <fmt/format.h>

#include "guest-pv/mmap.h"
#include "guest-pv/move_page_tables.h"

namespace pvmmu::guest {
namespace {

mm_result<void> check_mremap(const mm& mm, u64 old_va, u64 old_len, u64 new_len, u64 new_va) {
  if (auto valid = check_user_range(old_va, old_len); !valid) return valid;
  if (auto valid = check_user_range(new_va, new_len); !valid) return valid;
  if (old_va + old_len > new_va && new_va + new_len > old_va) {
    return std::unexpected(
        mm_error{22, fmt::format("-EINVAL: the old range at {:#x} and the new one at {:#x} overlap", old_va, new_va)});
  }
  const vma* area = mm.vmas.find(old_va);
  if (!area || area->end < old_va + std::min(old_len, new_len)) {
    return std::unexpected(
        mm_error{14, fmt::format("-EFAULT: {:#x} bytes at {:#x} are not within one memory area", old_len, old_va)});
  }
  return {};
}

}  // namespace

// mremap_to and move_vma: what is at the new place goes, the new area is made, the tables are moved, the old area goes.
mm_result<void> do_mremap(kernel_state& k, mm& mm, u64 old_va, u64 old_len, u64 new_len, u64 new_va) {
  if (auto valid = check_mremap(mm, old_va, old_len, new_len, new_va); !valid) return valid;
  if (auto done = do_munmap(k, mm, new_va, new_len); !done) return done;
  if (old_len > new_len) {
    if (auto done = do_munmap(k, mm, old_va + new_len, old_len - new_len); !done) return done;
    old_len = new_len;
  }

  const vma old_area = *mm.vmas.find(old_va);
  vma new_area = old_area;
  new_area.start = new_va;
  new_area.end = new_va + new_len;
  new_area.pgoff =
      old_area.anon_vma ? old_area.pgoff + ((old_va - old_area.start) >> PAGE_SHIFT) : new_va >> PAGE_SHIFT;
  mm.vmas.insert(new_area);
  move_page_tables(k, mm, old_area, old_va, new_area, new_va, old_len);
  return do_munmap(k, mm, old_va, old_len);
}

}  // namespace pvmmu::guest
