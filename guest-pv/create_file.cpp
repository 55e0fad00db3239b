#include "guest-pv/create_file.h"

#include <fmt/format.h>

#include <cerrno>

namespace pvmmu::guest {

mm_result<void> create_file(kernel_state& k, const std::string& name, u64 len) {
  if (len == 0 || len % PAGE_SIZE != 0) {
    return refused(EINVAL, fmt::format("-EINVAL: {:#x} bytes are not a number of whole pages", len));
  }
  const auto [file, is_new] = k.files.try_emplace(name);
  if (!is_new) return refused(EEXIST, fmt::format("-EEXIST: there is a file \"{}\" already", name));
  file->second = std::make_shared<page_cache>(k.pages, len >> PAGE_SHIFT);
  for (u64 pgoff = 0; pgoff < file->second->size; ++pgoff) {
    const pfn_t page = k.tables.alloc_zeroed_page();
    k.tables.store_word(page, 0, pgoff + 1);
    file->second->pages[pgoff] = page;
  }
  return {};
}

}  // namespace pvmmu::guest
