#include "hypervisor-model/machine/heap.h"

#include <algorithm>

namespace pvmmu::xen {

bool heap::all_free(u64 first, u64 size) const {
  return std::all_of(frames_ + first, frames_ + first + size,
                     [](const page_info& pg) { return pg.owner == owner_none && pg.ref_count() == 0; });
}

void heap::unlink(u64 n) {
  page_info& pg = frames_[n];
  if (pg.prev != 0) {
    frames_[pg.prev].next = pg.next;
  } else {
    state_.free_list = pg.next;
  }
  if (pg.next != 0) frames_[pg.next].prev = pg.prev;
  pg.next = pg.prev = 0;
}

void heap::unlink_all(u64 first, u64 size) {
  for (u64 n = first; n < first + size; ++n) {
    if (is_linked(n)) unlink(n);
  }
}

void heap::give_back(mfn_t mfn) {
  page_info& pg = frames_[mfn.n];
  pg.prev = 0;
  pg.next = state_.free_list;
  if (state_.free_list != 0) frames_[state_.free_list].prev = static_cast<u32>(mfn.n);
  state_.free_list = static_cast<u32>(mfn.n);
}

void heap::claim(mfn_t mfn) {
  if (is_linked(mfn.n)) unlink(mfn.n);
  state_.next_unused = std::max(state_.next_unused, mfn.n + 1);
}

std::optional<mfn_t> heap::take_offered(u64 size) {
  const u64 first = state_.offered.front().n;
  state_.offered.pop_front();
  if (first >= nr_frames_ || size > nr_frames_ - first || !all_free(first, size)) return std::nullopt;
  unlink_all(first, size);
  return mfn_t{first};
}

/// Aligned to its size. What is left out before it can still be had frame by frame.
std::optional<mfn_t> heap::take_unused(u64 size, u64 limit) {
  u64 first = (state_.next_unused + size - 1) / size * size;
  while (first + size <= limit && !all_free(first, size)) first += size;
  if (first + size > limit) return std::nullopt;
  for (u64 n = first; n-- > state_.next_unused;) {
    if (all_free(n, 1) && !is_linked(n)) give_back({n});
  }
  unlink_all(first, size);
  state_.next_unused = first + size;
  return mfn_t{first};
}

std::optional<mfn_t> heap::take(unsigned order, u64 limit) {
  const u64 size = u64{1} << order;
  if (!state_.offered.empty()) return take_offered(size);
  limit = std::min(limit, nr_frames_);
  if (size == 1) {
    u64 n = state_.free_list;
    while (n != 0 && n >= limit) n = frames_[n].next;
    if (n != 0) {
      unlink(n);
      return mfn_t{n};
    }
  }
  return take_unused(size, limit);
}

}  // namespace pvmmu::xen
