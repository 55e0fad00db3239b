#include "hypervisor-model/page_alloc.h"

#include "hypervisor-model/messages.h"

namespace pvmmu::xen {

std::optional<mfn_t> alloc_domheap_pages(machine& m, domain& d, unsigned order, u64 limit) {
  const auto first = m.alloc_heap_pages(order, limit);
  if (!first) return std::nullopt;
  const u64 nr = u64{1} << order;
  if (d.is_dying || d.tot_pages + nr > d.max_pages) {
    if (!d.is_dying) messages::over_allocation(m, d, d.tot_pages + nr);
    for (u64 i = nr; i-- > 0;) m.free_domheap_page(m.page(*first + i));
    return std::nullopt;
  }
  for (u64 i = 0; i < nr; ++i) m.give_page(d, m.page(*first + i));
  return first;
}

}  // namespace pvmmu::xen
