#pragma once
// struct address_space: the pages of a file by their place in it. Areas that map the file share it; each page holds one
// reference for the cache itself, which ends with the file.

#include <map>

#include "guest-pv/page.h"

namespace pvmmu::guest {

struct page_cache {
  /// `order_` 9: of huge pages.
  page_cache(page_allocator& allocator, u64 pages_, unsigned order_ = 0)
      : size(pages_), order(order_), allocator_(allocator) {}
  ~page_cache() {
    for (const auto& [pgoff, page] : pages) allocator_.put_page(page, order);
  }
  page_cache(const page_cache&) = delete;
  page_cache& operator=(const page_cache&) = delete;

  const u64 size;                ///< of the file, in pages
  const unsigned order;          ///< of each of `pages`
  std::map<u64, pfn_t> pages{};  ///< by page offset, in units of that order; what is missing is a hole

 private:
  page_allocator& allocator_;
};

}  // namespace pvmmu::guest
