#pragma once
// Taking mappings down: what was unmapped is collected, the TLB is flushed, and only then are frames given back
// (linux 6.1 include/asm-generic/tlb.h, mm/mmu_gather.c).

#include <algorithm>
#include <vector>

#include "guest-pv/tlb.h"

namespace pvmmu::guest {

class mmu_gather {
 public:
  /// `fullmm`: the whole address space goes, and nobody has it loaded any more.
  mmu_gather(kernel_state& k, mm& mm, bool fullmm = false) : k_(k), mm_(mm), fullmm_(fullmm) {}
  mmu_gather(const mmu_gather&) = delete;
  mmu_gather& operator=(const mmu_gather&) = delete;

  kernel_state& kernel() { return k_; }
  mm& target() { return mm_; }
  bool fullmm() const { return fullmm_; }

  /// An entry of `level` 1 to 4 at `va` no longer translates one page. Level 5: the folded top level, which Linux frees
  /// in name only.
  void cleared(u64 va, unsigned level) {
    start_ = std::min(start_, va);
    end_ = std::max(end_, va + PAGE_SIZE);
    finest_level_ = std::min(finest_level_, level);
  }
  /// A page whose mapping's reference is dropped after the flush. True if there is no room for more: flush before going
  /// on.
  bool remove_page(pfn_t page) {
    pages_.push_back(page);
    return pages_.size() == max_pages;
  }
  void remove_table(pfn_t table) { tables_.push_back(table); }

  /// tlb_flush_mmu: flushes what was cleared, frees what was removed.
  void flush();

 private:
  /// 8 frames in the structure itself, then 19 batches of 510 (MMU_GATHER_BUNDLE, MAX_GATHER_BATCH_COUNT).
  static constexpr std::size_t max_pages = 8 + 19 * 510;
  static constexpr unsigned nothing = 6;

  kernel_state& k_;
  mm& mm_;
  bool fullmm_;
  u64 start_ = ~u64{0};
  u64 end_ = 0;
  unsigned finest_level_ = nothing;
  std::vector<pfn_t> pages_;
  std::vector<pfn_t> tables_;
};

}  // namespace pvmmu::guest
