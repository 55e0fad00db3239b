#include "guest-pv/mmu_gather.h"

namespace pvmmu::guest {

void mmu_gather::flush() {
  if (finest_level_ != nothing) {
    // The folded top level has no stride of its own (tlb_get_unmap_shift).
    const unsigned shift = finest_level_ == 5 ? PAGE_SHIFT : PAGE_SHIFT + 9 * (finest_level_ - 1);
    flush_tlb_mm_range(k_, mm_, fullmm_ ? 0 : start_, fullmm_ ? TLB_FLUSH_ALL : end_, shift);
  }
  for (pfn_t table : tables_) k_.pages.free_pages(table);
  for (pfn_t page : pages_) k_.pages.put_page(page);
  start_ = ~u64{0};
  end_ = 0;
  finest_level_ = nothing;
  tables_.clear();
  pages_.clear();
}

}  // namespace pvmmu::guest
