#include "guest-pv/hugetlb.h"

#include <fmt/format.h>

#include <cerrno>

#include "guest-pv/pgalloc.h"

namespace pvmmu::guest {

// hugetlb_file_setup: without huge pages no hugetlbfs was mounted.
mm_result<void> check_hugetlb(const kernel_state& k, u64 va, u64 len) {
  if (!k.profile().hugetlb_in_pv) return refused(ENOENT, "-ENOENT: a PV guest has no huge pages, and no hugetlbfs");
  if ((va | len) % huge_page_size == 0) return {};
  return refused(EINVAL, fmt::format("-EINVAL: {:#x} bytes at {:#x} are not a number of 2 MiB pages", len, va));
}

// Whether the entry came to be, set_huge_pte_at does not say: the access is made again, and faults again.
mm_result<void> hugetlb_fault(kernel_state& k, mm& mm, const vma& area, u64 va) {
  const entry_ref pmd = alloc_entry(k, mm, va, 2);
  if (!none(k, pmd)) return {};
  const auto [page, is_new] = area.file->pages.try_emplace(area.pgoff_of(va) >> huge_page_order);
  if (is_new) page->second = k.tables.alloc_zeroed_page(huge_page_order);
  k.pages.get_page(page->second);
  k.pv->set_pte(pmd,
                k.pv->make_pte(page->second, vm_page_prot(area) | PAGE_PSE | (area.writable() ? written_flags(k) : 0)));
  return {};
}

}  // namespace pvmmu::guest
