#include "guest-pv/vma.h"

#include <cassert>
#include <utility>

namespace pvmmu::guest {
namespace {

/// anon_vma_compatible: one may become the other's continuation by mprotect.
bool compatible(const vma& left, const vma& right) {
  return left.end == right.start && left.kind == right.kind && left.file == right.file &&
         left.grows_down == right.grows_down && left.locked == right.locked && left.uffd == right.uffd &&
         left.huge == right.huge && left.pgoff_of(left.end) == right.pgoff;
}

/// can_vma_merge_after/before, but for the anon_vma. The kernel's own areas stay apart, by their vm_ops.
bool continues(const vma& left, const vma& right) {
  return compatible(left, right) && left.access == right.access && left.kind != vma_kind::special;
}

/// is_mergeable_anon_vma. What fork has cloned does not take more in.
bool takes_in(const vma& neighbour, const vma& added) {
  return neighbour.anon_vma == added.anon_vma || (added.anon_vma == 0 && !neighbour.cloned);
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
  const auto right = areas_.lower_bound(area.start);
  const auto left = right == areas_.begin() ? areas_.end() : std::prev(right);
  const bool with_left = left != areas_.end() && continues(left->second, area) && takes_in(left->second, area);
  bool with_right = right != areas_.end() && continues(area, right->second) && takes_in(right->second, area);
  if (with_left && with_right) {
    const u32 one = left->second.anon_vma, other = right->second.anon_vma;
    with_right = one == other || one == 0 || other == 0;
  }
  vma merged = with_left ? left->second : with_right ? right->second : area;
  merged.end = with_right ? right->second.end : area.end;
  if (with_right && merged.anon_vma == 0) merged.anon_vma = right->second.anon_vma;
  if (!with_left) {
    merged.start = area.start;
    merged.pgoff = area.pgoff;
  }
  if (with_right) areas_.erase(right);
  areas_.insert_or_assign(merged.start, merged);
}

void vma_tree::add_clone(vma area) {
  area.cloned = area.anon_vma != 0;
  if (area.cloned) area.anon_vma = ++last_anon_vma_;
  areas_.emplace(area.start, area);
}

// find_mergeable_anon_vma: a neighbour's is as good, and lets the two become one.
void vma_tree::anon_vma_prepare(vma& area) {
  if (area.anon_vma != 0) return;
  const auto here = areas_.find(area.start);
  assert(here != areas_.end() && &here->second == &area);
  const auto reusable = [](const vma& old) { return old.anon_vma != 0 && !old.cloned; };
  if (const auto next = std::next(here);
      next != areas_.end() && compatible(area, next->second) && reusable(next->second)) {
    area.anon_vma = next->second.anon_vma;
  } else if (here != areas_.begin() && compatible(std::prev(here)->second, area) && reusable(std::prev(here)->second)) {
    area.anon_vma = std::prev(here)->second.anon_vma;
  } else {
    area.anon_vma = ++last_anon_vma_;
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
