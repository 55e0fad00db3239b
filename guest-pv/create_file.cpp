#include "guest-pv/create_file.h"

#include <fmt/format.h>

#include <cerrno>

namespace pvmmu::guest {

mm_result<void> create_file(kernel_state& k, const std::string& name, u64 len, unsigned folio_order) {
  if (len == 0 || len % PAGE_SIZE != 0) {
    return refused(EINVAL, fmt::format("-EINVAL: {:#x} bytes are not a number of whole pages", len));
  }
  if (len % (PAGE_SIZE << folio_order) != 0) {
    return refused(EINVAL,
                   fmt::format("-EINVAL: {:#x} bytes are not a number of folios of 2^{} pages", len, folio_order));
  }
  const auto [file, is_new] = k.files.try_emplace(name);
  if (!is_new) return refused(EEXIST, fmt::format("-EEXIST: there is a file \"{}\" already", name));
  file->second = std::make_shared<page_cache>(k.pages, len >> PAGE_SHIFT);
  const u64 folio_pages = u64{1} << folio_order;
  for (u64 pgoff = 0; pgoff < file->second->size; ++pgoff) {
    pfn_t& page = file->second->pages[pgoff];
    if (folio_order == 0)
      page = k.pages.alloc_pages();
    else
      page = pgoff % folio_pages == 0 ? k.pages.alloc_folio(folio_order) : file->second->pages[pgoff - 1] + 1;
    k.tables.clear_page(page);
    k.tables.store_word(page, 0, pgoff + 1);
  }
  return {};
}

}  // namespace pvmmu::guest
