#include "guest-pv/vma.h"

#include <cassert>
#include <utility>

namespace pvmmu::guest {
namespace {

/// can_vma_merge_after/before. Areas that a process is born with, and those that a userfaultfd watches, stay apart as
/// Linux's do by their vm_ops and contexts.
bool continues(const vma& left, const vma& right) {
  return left.end == right.start && left.access == right.access && left.anon_vma == right.anon_vma &&
         left.kind == right.kind && left.kind != vma_kind::special && left.file == right.file &&
         left.grows_down == right.grows_down && left.locked == right.locked && left.uffd == right.uffd &&
         left.pgoff_of(left.end) == right.pgoff;
}

}  // namespace

vma_tree::map::const_iterator vma_tree::first_after(u64 va) const {
  auto area = areas_.upper_bound(va);
  if (area != areas_.begin() && std::prev(area)->second.end > va) --area;
  return area;
}

const vma* vma_tree::find(u64 va) const {
  const auto area = first_after(va);
  return area != areas_.end() && area->second.start <= va ? &area->second : nullptr;
}

vma* vma_tree::find(u64 va) { return const_cast<vma*>(std::as_const(*this).find(va)); }

bool vma_tree::intersects(u64 start, u64 end) const {
  const auto area = first_after(start);
  return area != areas_.end() && area->second.start < end;
}

u64 vma_tree::end_of_run(u64 va) const {
  while (const vma* area = find(va)) va = area->end;
  return va;
}

void vma_tree::insert(const vma& area) {
  assert(area.start < area.end && !intersects(area.start, area.end));
  auto here = areas_.emplace(area.start, area).first;
  if (here != areas_.begin() && continues(std::prev(here)->second, here->second)) {
    const auto left = std::prev(here);
    left->second.end = here->second.end;
    areas_.erase(here);
    here = left;
  }
  const auto right = std::next(here);
  if (right != areas_.end() && continues(here->second, right->second)) {
    here->second.end = right->second.end;
    areas_.erase(right);
  }
}

void vma_tree::split_at(u64 va) {
  vma* const area = find(va);
  if (!area || area->start == va) return;
  vma right = *area;
  right.start = va;
  right.pgoff = area->pgoff_of(va);
  area->end = va;
  areas_.emplace(va, right);
}

std::vector<vma> vma_tree::remove(u64 start, u64 end) {
  split_at(start);
  split_at(end);
  std::vector<vma> taken;
  const auto first = areas_.lower_bound(start);
  const auto last = areas_.lower_bound(end);
  for (auto area = first; area != last; ++area) taken.push_back(area->second);
  areas_.erase(first, last);
  return taken;
}

}  // namespace pvmmu::guest
