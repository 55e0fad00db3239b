#include "guest-pv/file_fault.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>

#include "guest-pv/pgalloc.h"

namespace pvmmu::guest {
namespace {

constexpr u64 fault_around_pages = 16;  ///< fault_around_bytes: 64 KiB

/// shmem_fault: a hole in shared memory becomes a page of zeroes, for a read as well.
mm_result<pfn_t> page_of(kernel_state& k, const vma& area, u64 va) {
  page_cache& file = *area.file;
  const u64 pgoff = area.pgoff_of(va);
  if (pgoff >= file.size) {
    return refused(SIGBUS, fmt::format("SIGBUS: page {} of a file of {} at {:#x}", pgoff, file.size, va));
  }
  const auto [page, is_new] = file.pages.try_emplace(pgoff);
  if (is_new) page->second = k.tables.alloc_zeroed_page();
  return page->second;
}

/// do_set_pte.
void map_page(kernel_state& k, const vma& area, entry_ref pte, pfn_t page, fault_kind kind) {
  u64 flags = vm_page_prot(area);
  if (area.pfnmap) flags |= PAGE_SPECIAL;
  if (kind == fault_kind::write) flags |= written_flags(k);
  set_pte_at(k, pte, k.pv->make_pte(page, flags));
}

/// filemap_map_pages: what the cache has of the pages around, in the same table and area; one call each, as no lazy
/// mode is entered. True if the page at `va` was among them.
bool do_fault_around(kernel_state& k, const vma& area, u64 va, entry_ref pte) {
  const u64 slot = pte.slot;
  const u64 in_area = (va - area.start) >> PAGE_SHIFT;
  const u64 first = std::max(slot & ~(fault_around_pages - 1), slot - std::min(slot, in_area));
  const u64 end = std::min({first + fault_around_pages, u64{entries_per_table}, slot + area.pages() - in_area});
  bool mapped = false;
  for (u64 at = first; at < end; ++at) {
    const auto page = area.file->pages.find(area.pgoff_of(va) + at - slot);
    const entry_ref around{pte.table, static_cast<unsigned>(at)};
    if (page == area.file->pages.end() || !none(k, around)) continue;
    k.pages.get_page(page->second);
    map_page(k, area, around, page->second, fault_kind::read);
    mapped |= at == slot;
  }
  return mapped;
}

}  // namespace

mm_result<void> do_fault(kernel_state& k, const vma& area, u64 va, entry_ref pte, fault_kind kind) {
  va &= ~PAGE_OFFSET_MASK;
  const bool copies = kind == fault_kind::write && area.kind != vma_kind::shared;
  const bool around = kind == fault_kind::read && area.kind != vma_kind::special;
  if (around && do_fault_around(k, area, va, pte)) return {};
  auto page = page_of(k, area, va);
  if (!page) return std::unexpected(page.error());
  if (copies) {
    const pfn_t cached = *page;
    *page = k.pages.alloc_pages();
    k.tables.copy_page(*page, cached);
  } else if (!area.pfnmap) {
    k.pages.get_page(*page);
  }
  map_page(k, area, pte, *page, kind);
  return {};
}

}  // namespace pvmmu::guest
