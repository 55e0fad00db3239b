#include "guest-pv/mremap.h"

#include <fmt/format.h>

#include <cerrno>

#include "guest-pv/mlock.h"
#include "guest-pv/mmap.h"
#include "guest-pv/move_page_tables.h"

namespace pvmmu::guest {
namespace {

mm_result<void> check_mremap(const mm& mm, u64 old_va, u64 old_len, u64 new_len, u64 new_va) {
  if (auto valid = check_user_range(old_va, old_len); !valid) return valid;
  if (auto valid = check_user_range(new_va, new_len); !valid) return valid;
  if (!mm.vmas.find(old_va)) return refused(EFAULT, fmt::format("-EFAULT: nothing is mapped at {:#x}", old_va));
  return {};
}

/// vma_to_resize.
mm_result<void> check_resize(const mm& mm, u64 va, u64 old_len, u64 new_len) {
  const vma* const area = mm.vmas.find(va);
  if (!area || old_len > area->end - va) {
    return refused(EFAULT, fmt::format("-EFAULT: {:#x} bytes at {:#x} are not within one memory area", old_len, va));
  }
  if (new_len > old_len && area->kind == vma_kind::special) {
    return refused(EFAULT, fmt::format("-EFAULT: the area at {:#x} may not grow", va));
  }
  return {};
}

/// mremap_userfaultfd_prep, of a userfaultfd without EVENT_REMAP: the new place is not watched.
vma moved_area(const vma& old_area, u64 old_va, u64 new_va, u64 new_len) {
  vma area = old_area;
  area.start = new_va;
  area.end = new_va + new_len;
  const bool keeps_pgoff = old_area.kind != vma_kind::anonymous || old_area.anon_vma != 0;
  area.pgoff = keeps_pgoff ? old_area.pgoff_of(old_va) : new_va >> PAGE_SHIFT;
  area.uffd = false;
  return area;
}

}  // namespace

// mremap_to and move_vma: what is at the new place goes, the new area is made, the tables are moved, the old area goes.
mm_result<void> do_mremap(kernel_state& k, mm& mm, u64 old_va, u64 old_len, u64 new_len, u64 new_va) {
  if (auto valid = check_mremap(mm, old_va, old_len, new_len, new_va); !valid) return valid;
  if (old_va + old_len > new_va && new_va + new_len > old_va) {
    return refused(EINVAL,
                   fmt::format("-EINVAL: the old range at {:#x} and the new one at {:#x} overlap", old_va, new_va));
  }
  if (auto done = do_munmap(k, mm, new_va, new_len); !done) return done;
  if (old_len > new_len) {
    if (auto done = do_munmap(k, mm, old_va + new_len, old_len - new_len); !done) return done;
    old_len = new_len;
  }

  if (auto valid = check_resize(mm, old_va, old_len, new_len); !valid) return valid;
  const vma old_area = *mm.vmas.find(old_va);
  mm.vmas.insert(moved_area(old_area, old_va, new_va, new_len));
  move_page_tables(k, mm, old_area, old_va, *mm.vmas.find(new_va), new_va, old_len);
  if (auto done = do_munmap(k, mm, old_va, old_len); !done) return done;
  if (old_area.locked && new_len > old_len) mm_populate(k, mm, new_va + old_len, new_len - old_len);
  return {};
}

// A tail that goes, or room behind the area that nothing is in (vma_expandable).
mm_result<void> do_mremap_in_place(kernel_state& k, mm& mm, u64 va, u64 old_len, u64 new_len) {
  if (auto valid = check_mremap(mm, va, old_len, new_len, va); !valid) return valid;
  if (new_len == old_len) return {};
  if (new_len < old_len) return do_munmap(k, mm, va + new_len, old_len - new_len);
  if (auto valid = check_resize(mm, va, old_len, new_len); !valid) return valid;
  const u64 old_end = va + old_len;
  const vma area = *mm.vmas.find(va);
  if (area.end != old_end || mm.vmas.intersects(old_end, va + new_len)) {
    return refused(ENOMEM, fmt::format("-ENOMEM: no room to grow in place to {:#x} bytes at {:#x}", new_len, va));
  }
  vma more = area;
  more.start = old_end;
  more.end = va + new_len;
  more.pgoff = area.pgoff_of(old_end);
  mm.vmas.insert(more);
  if (area.locked) mm_populate(k, mm, old_end, new_len - old_len);
  return {};
}

}  // namespace pvmmu::guest
