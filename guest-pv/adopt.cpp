#include "guest-pv/adopt.h"

#include <map>

#include "guest-pv/fault.h"
#include "guest-pv/pgalloc.h"

namespace pvmmu::guest {
namespace {

vma area_of(const seen_page& page) {
  const bool writable = (page.flags & PAGE_RW) != 0;
  return {.start = page.va,
          .end = page.va + PAGE_SIZE,
          .access = writable ? prot::read_write : prot::read,
          .pgoff = page.va >> PAGE_SHIFT};
}

}  // namespace

mm& adopt_mm(kernel_state& k, std::span<const seen_table> tables, std::span<const seen_page> pages) {
  mm& created = k.mms.emplace_front();
  pgd_alloc(k, created);
  for (const seen_table& table : tables) {
    if (table.level < 4) alloc_entry(k, created, table.va, table.level);
  }
  std::map<u64, pfn_t> frames;
  for (const seen_page& page : pages) {
    const bool kernels_own = (page.flags & PAGE_SPECIAL) != 0;
    const auto [frame, is_new] = frames.try_emplace(page.frame, zero_pfn);
    if (!kernels_own && is_new) {
      frame->second = k.tables.alloc_zeroed_page();
    } else if (!kernels_own) {
      k.pages.get_page(frame->second);
    }
    const entry_ref e = alloc_entry(k, created, page.va, 1);
    k.tables.native_set(e, k.pv->make_pte(frame->second, page.flags), "adopt_mm");
    created.vmas.insert(area_of(page));
  }
  return created;
}

}  // namespace pvmmu::guest
