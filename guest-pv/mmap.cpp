#include "guest-pv/mmap.h"

#include <fmt/format.h>

#include <cerrno>

#include "guest-pv/hugetlb.h"
#include "guest-pv/mlock.h"
#include "guest-pv/pgalloc.h"
#include "guest-pv/zap.h"

namespace pvmmu::guest {

mm_result<void> check_user_range(u64 va, u64 len) {
  if ((va | len) % PAGE_SIZE != 0 || len == 0) {
    return refused(EINVAL, fmt::format("-EINVAL: {:#x} bytes at {:#x} are not a number of whole pages", len, va));
  }
  if (len > TASK_SIZE || va > TASK_SIZE - len) {
    return refused(ENOMEM, fmt::format("-ENOMEM: {:#x} bytes at {:#x} reach beyond {:#x}, the end of a process", len,
                                       va, TASK_SIZE));
  }
  return {};
}

// MAP_LOCKED does not say so where not all could be faulted in.
mm_result<void> do_mmap(kernel_state& k, mm& mm, u64 va, u64 len, const mapping& what) {
  if (auto valid = check_user_range(va, len); !valid) return valid;
  if (what.huge) {
    if (auto possible = check_hugetlb(k, va, len); !possible) return possible;
  }
  vma area{.start = va, .end = va + len, .access = what.access, .kind = what.kind};
  area.pgoff = va >> PAGE_SHIFT;
  area.grows_down = what.grows_down;
  area.locked = what.locked;
  area.huge = what.huge;
  if (what.kind == vma_kind::shared) {
    area.pgoff = 0;
    area.file = std::make_shared<page_cache>(k.pages, len >> PAGE_SHIFT, what.huge ? huge_page_order : 0);
  } else if (what.kind != vma_kind::anonymous) {
    const auto file = k.files.find(what.file);
    if (file == k.files.end()) return refused(ENOENT, fmt::format("-ENOENT: there is no file \"{}\"", what.file));
    area.pgoff = what.pgoff;
    area.file = file->second;
  }
  if (auto unmapped = do_munmap(k, mm, va, len); !unmapped) return unmapped;
  mm.vmas.insert(area);
  if (area.locked) mm_populate(k, mm, va, len);
  return {};
}

mm_result<void> do_munmap(kernel_state& k, mm& mm, u64 va, u64 len) {
  if (auto valid = check_user_range(va, len); !valid) return valid;
  const std::vector<vma> areas = mm.vmas.remove(va, va + len);
  if (areas.empty()) return {};

  const auto next = mm.vmas.first_after(va);
  const u64 floor = next == mm.vmas.begin() ? 0 : std::prev(next)->second.end;
  const u64 ceiling = next == mm.vmas.end() ? 0 : next->second.start;
  mmu_gather tlb(k, mm);
  unmap_vmas(tlb, areas);
  free_pgtables(tlb, areas, floor, ceiling);
  tlb.flush();
  return {};
}

// The backend goes first: it unpins the tables, and all that follows is plain stores.
void exit_mmap(kernel_state& k, mm& mm) {
  k.pv->exit_mmap(mm);
  const std::vector<vma> areas = mm.vmas.remove(0, TASK_SIZE);
  mmu_gather tlb(k, mm, true);
  unmap_vmas(tlb, areas);
  free_pgtables(tlb, areas, 0, 0);
  tlb.flush();
  pgd_free(k, mm);
}

void mmput(kernel_state& k, mm& mm) {
  exit_mmap(k, mm);
  k.mms.remove_if([&mm](const struct mm& each) { return &each == &mm; });
}

}  // namespace pvmmu::guest
