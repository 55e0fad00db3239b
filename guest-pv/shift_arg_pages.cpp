#include "guest-pv/shift_arg_pages.h"

#include <algorithm>

#include "guest-pv/move_page_tables.h"
#include "guest-pv/zap.h"

namespace pvmmu::guest {

void shift_arg_pages(kernel_state& k, mm& mm, const vma& stack, u64 shift) {
  vma moved = stack;
  moved.start -= shift;
  moved.end -= shift;
  move_page_tables(k, mm, stack, stack.start, moved, moved.start, stack.end - stack.start);
  mm.vmas.remove(stack.start, stack.end);
  mm.vmas.insert(moved);

  const auto next = mm.vmas.first_after(stack.end);
  mmu_gather tlb(k, mm);
  free_pgd_range(tlb, std::max(moved.end, stack.start), stack.end, moved.end,
                 next == mm.vmas.end() ? 0 : next->second.start);
  tlb.flush();
}

}  // namespace pvmmu::guest
