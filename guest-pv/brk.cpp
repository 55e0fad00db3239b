#include "guest-pv/brk.h"

#include <fmt/format.h>

#include <cerrno>

#include "guest-pv/mmap.h"

namespace pvmmu::guest {
namespace {

constexpr u64 page_align(u64 va) { return (va + PAGE_OFFSET_MASK) & ~PAGE_OFFSET_MASK; }

/// do_brk_flags; one page above stays free.
mm_result<void> grow(mm& mm, u64 from, u64 to) {
  if (auto valid = check_user_range(from, to - from); !valid) return valid;
  if (mm.vmas.intersects(from, to + PAGE_SIZE)) {
    return refused(ENOMEM, fmt::format("-ENOMEM: something is mapped between {:#x} and {:#x}", from, to + PAGE_SIZE));
  }
  mm.vmas.insert({.start = from, .end = to, .access = prot::read_write, .pgoff = from >> PAGE_SHIFT});
  return {};
}

}  // namespace

mm_result<void> do_brk(kernel_state& k, mm& mm, u64 start, u64 end) {
  if (mm.start_brk == 0) mm.start_brk = mm.brk = start;
  if (mm.start_brk == 0 || end < mm.start_brk) {
    return refused(EINVAL, fmt::format("-EINVAL: the heap begins at {:#x} and cannot end at {:#x}", mm.start_brk, end));
  }
  const u64 old_end = page_align(mm.brk);
  const u64 new_end = page_align(end);
  mm_result<void> done{};
  if (new_end > old_end) done = grow(mm, old_end, new_end);
  if (new_end < old_end) done = do_munmap(k, mm, new_end, old_end - new_end);
  if (done) mm.brk = end;
  return done;
}

}  // namespace pvmmu::guest
