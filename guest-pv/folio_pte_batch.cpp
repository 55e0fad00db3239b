#include "guest-pv/folio_pte_batch.h"

#include <algorithm>

namespace pvmmu::guest {
namespace {

/// What entries of one batch may differ in.
constexpr u64 ignored = PAGE_RW | PAGE_ACCESSED;

/// pte_advance_pfn: as a number, from one pfn to the next; what is stored is made of it anew.
pte_t next_page(kernel_state& k, pte_t pte) {
  if (!present(pte)) return pte + PAGE_SIZE;
  const auto page = k.pv->pte_pfn(pte);
  return page ? k.pv->make_pte(*page + 1, pte & ~PTE_ADDR_MASK) : 0;
}

}  // namespace

// Where no frame is behind the next page, what is made of it is the empty entry, and so may the next one be: it counts
// as one of the batch, unless the batch ends with the folio anyway.
unsigned folio_pte_batch(kernel_state& k, entry_ref first, pte_t pte, unsigned most) {
  const pfn_t page = k.pv->pte_pfn(pte).value();
  const struct page& of_page = k.pages[page];
  const pfn_t end = of_page.folio.value() + of_page.folio_pages;
  if (k.profile().pte_batch_end == pte_batch::folio) most = std::min(most, static_cast<unsigned>(end.n - page.n));

  pte_t expected = next_page(k, pte & ~ignored);
  unsigned n = 1;
  for (; n < most; ++n) {
    const pte_t found = k.tables.load({first.table, first.slot + n}) & ~ignored;
    if (found != expected) break;
    if (present(found) && k.pv->pte_pfn(found).value() >= end) break;
    expected = next_page(k, expected);
  }
  return n;
}

}  // namespace pvmmu::guest
