#include "guest-pv/set_memory.h"

#include "guest-pv/pgalloc.h"

namespace pvmmu::guest {

// __change_page_attr. The entry is looked at in memory, where what is queued is not yet; and what is queued here must
// be there before the frame is used.
void kernel_map_page(kernel_state& k, pfn_t pfn, bool enable) {
  const entry_ref e = find_entry(k, k.init_mm, va_of(pfn), 1).value();
  if (k.profile().cpa_flushes_lazy) k.pv->flush_lazy_mmu();
  const u64 flags = k.tables.load(e) & ~(PTE_ADDR_MASK | PAGE_PRESENT);
  k.pv->set_pte(e, k.pv->make_pte(pfn, flags | (enable ? PAGE_PRESENT : 0)));
  if (k.profile().cpa_flushes_lazy) k.pv->flush_lazy_mmu();
}

}  // namespace pvmmu::guest
