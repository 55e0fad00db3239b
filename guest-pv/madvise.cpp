#include "guest-pv/madvise.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "guest-pv/mmap.h"
#include "guest-pv/zap.h"

namespace pvmmu::guest {
namespace {

/// zap_page_range: each area has a gather, and so a flush, of its own.
mm_result<void> dontneed_single_vma(kernel_state& k, mm& mm, vma area, u64 start, u64 end) {
  if (area.locked || area.pfnmap) {
    return refused(EINVAL, fmt::format("-EINVAL: the area at {:#x} is locked or not of pages", area.start));
  }
  area.start = std::max(area.start, start);
  area.end = std::min(area.end, end);
  mmu_gather tlb(k, mm);
  unmap_vmas(tlb, {&area, 1});
  tlb.flush();
  return {};
}

}  // namespace

// madvise_walk_vmas: a hole is reported when all else is done, an area that refuses at once.
mm_result<void> madvise_dontneed(kernel_state& k, mm& mm, u64 va, u64 len) {
  if (auto valid = check_user_range(va, len); !valid) return valid;
  const u64 end = va + len;
  u64 hole = end;
  u64 at = va;
  for (auto area = mm.vmas.first_after(va); area != mm.vmas.end() && area->second.start < end; ++area) {
    if (area->second.start > at) hole = std::min(hole, at);
    at = area->second.end;
    if (auto done = dontneed_single_vma(k, mm, area->second, va, end); !done) return done;
  }
  if (at < end) hole = std::min(hole, at);
  if (hole != end) return refused(ENOMEM, fmt::format("-ENOMEM: nothing is mapped at {:#x}", hole));
  return {};
}

}  // namespace pvmmu::guest
