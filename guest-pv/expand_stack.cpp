#include "guest-pv/expand_stack.h"

namespace pvmmu::guest {
namespace {

constexpr u64 stack_guard_gap = 256 * PAGE_SIZE;  ///< that stays free below a stack, above what is no stack
constexpr u64 stack_limit = u64{8} << 20;         ///< RLIMIT_STACK, as it is at boot

/// expand_downwards, acct_stack_growth.
bool may_expand(const mm& mm, vma_tree::map::const_iterator stack, u64 to) {
  if (!stack->second.grows_down || stack->second.end - to > stack_limit) return false;
  if (stack == mm.vmas.begin()) return true;
  const vma& below = std::prev(stack)->second;
  return below.grows_down || !below.readable() || to - below.end >= stack_guard_gap;
}

}  // namespace

vma* find_vma_expanding(mm& mm, u64 va) {
  const auto area = mm.vmas.first_after(va);
  if (area == mm.vmas.end()) return nullptr;
  if (area->second.start <= va) return mm.vmas.find(va);
  const u64 to = va & ~PAGE_OFFSET_MASK;
  if (!may_expand(mm, area, to)) return nullptr;
  const vma old = area->second;
  mm.vmas.remove(old.start, old.end);
  vma grown = old;
  grown.pgoff -= (old.start - to) >> PAGE_SHIFT;
  grown.start = to;
  mm.vmas.insert(grown);
  return mm.vmas.find(va);
}

}  // namespace pvmmu::guest
