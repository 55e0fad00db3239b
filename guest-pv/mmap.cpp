#include "guest-pv/mmap.h"

#include <fmt/format.h>

#include "guest-pv/pgalloc.h"
#include "guest-pv/zap.h"

namespace pvmmu::guest {

mm_result<void> check_user_range(u64 va, u64 len) {
  if ((va | len) % PAGE_SIZE != 0 || len == 0) {
    return std::unexpected(
        mm_error{22, fmt::format("-EINVAL: {:#x} bytes at {:#x} are not a number of whole pages", len, va)});
  }
  if (len > TASK_SIZE || va > TASK_SIZE - len) {
    return std::unexpected(mm_error{
        12, fmt::format("-ENOMEM: {:#x} bytes at {:#x} reach beyond {:#x}, the end of a process", len, va, TASK_SIZE)});
  }
  return {};
}

mm_result<void> do_mmap(kernel_state& k, mm& mm, u64 va, u64 len, prot access) {
  if (auto unmapped = do_munmap(k, mm, va, len); !unmapped) return unmapped;
  mm.vmas.insert({.start = va, .end = va + len, .access = access, .pgoff = va >> PAGE_SHIFT});
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

}  // namespace pvmmu::guest
