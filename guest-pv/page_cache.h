#pragma once
// struct address_space: the pages of a file by their place in it. Areas that map the file share it; each page holds one
// reference for the cache itself.

#include <map>

#include "proto/abi/frame.h"

namespace pvmmu::guest {

struct page_cache {
  std::map<u64, pfn_t> pages;  ///< by page offset; what is missing is a hole
  u64 size = 0;                ///< of the file, in pages
};

}  // namespace pvmmu::guest
