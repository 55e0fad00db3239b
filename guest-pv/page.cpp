#include "guest-pv/page.h"

#include <cassert>
#include <utility>

#include "guest-pv/guest_stopped.h"

namespace pvmmu::guest {

void page_allocator::add_range(pfn_t first, pfn_t end) {
  if (first < end) ranges_.push_back({first, end});
}

pfn_t page_allocator::alloc_pages(unsigned order) {
  const pfn_t pfn = take(order);
  pages_[pfn.n].refs = 1;
  pages_[pfn.n].anon_exclusive = true;
  return pfn;
}

pfn_t page_allocator::alloc_folio(unsigned order) {
  const pfn_t first = alloc_pages(order);
  const u32 frames = u32{1} << order;
  for (u32 i = 0; i < frames; ++i) {
    page& each = pages_[first.n + i];
    each.refs = 1;
    each.folio = first;
    each.folio_pages = frames;
  }
  return first;
}

pfn_t page_allocator::take(unsigned order) {
  assert(order < free_.size());
  if (!free_[order].empty()) {
    const pfn_t pfn = free_[order].back();
    free_[order].pop_back();
    return pfn;
  }
  const u64 frames = u64{1} << order;
  for (range& r : ranges_) {
    while (r.next.n % frames != 0 && r.next < r.end) free_[0].push_back(std::exchange(r.next, r.next + 1));
    if (r.next + frames <= r.end) return std::exchange(r.next, r.next + frames);
  }
  throw guest_stopped(guest_stopped::reason::out_of_memory, "the domain has no free frame left");
}

void page_allocator::free_pages(pfn_t pfn, unsigned order) {
  pages_[pfn.n].refs = 0;
  pages_[pfn.n].folio.reset();
  pages_[pfn.n].folio_pages = 1;
  free_[order].push_back(pfn);
}

void page_allocator::put_page(pfn_t pfn, unsigned order) {
  page& page = pages_[pfn.n];
  assert(page.refs != 0);
  if (page.refs == 1) return free_pages(pfn, order);
  --page.refs;
}

}  // namespace pvmmu::guest
