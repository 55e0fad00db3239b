#include "tools/compare/scope.h"

#include <algorithm>
#include <utility>

#include "tools/compare/follow.h"

namespace pvmmu::compare {
namespace {

/// Follows the whole stream once, and learns which address spaces map something of `watched`.
class scope_finder {
 public:
  scope_finder(const call_stream& stream, std::span<const va_range> watched)
      : stream_(stream), watched_(watched), view_(view_at_start(stream)) {}

  scope find() {
    for (const mfn_t pgd : view_.kernel_pgds()) note_tables(pgd);
    for (at_ = 0; at_ < stream_.calls.size(); ++at_) {
      follow(view_, stream_.calls[at_], [](int, const operation&) {}, [this](const operation& o) { look_at(o); });
    }
    return std::move(found_);
  }

 private:
  void look_at(const operation& o) {
    if (o.what == operation::kind::pin && o.level == 4) return note_tables(o.frame);
    if (o.what != operation::kind::set_entry || !present(o.value)) return;
    const auto place = view_.place_of(o.frame);
    if (!place) return;
    found_.first_places.try_emplace(view_.life_of(o.frame), *place);
    if (place->level > 1) return note_tables(pte_mfn(o.value));
    const u64 va = entry_va(place->va, 1, o.slot);
    if (is_watched(va, va + PAGE_SIZE)) maps_watched(place->mm);
  }

  bool is_watched(u64 start, u64 end) const {
    return std::ranges::any_of(watched_, [&](const va_range& r) { return r.intersects(start, end); });
  }

  void maps_watched(life_t mm) {
    if (found_.mms.insert(mm).second && !found_.marked_by) found_.marked_by = at_;
  }

  /// `top` was hooked in or pinned, with all below it.
  void note_tables(mfn_t top) {
    const auto place = view_.place_of(top);
    if (!place) return;
    view_.each_table(top, place->level, place->va, [&](mfn_t table, unsigned level, u64 va) {
      found_.first_places.try_emplace(view_.life_of(table), table_place{place->mm, level, va});
      if (level != 1 || !is_watched(va, va + entry_span(2))) return;
      for (unsigned slot = 0; slot < entries_per_table; ++slot) {
        const u64 page = entry_va(va, 1, slot);
        if (present(view_.entry({table, slot})) && is_watched(page, page + PAGE_SIZE)) maps_watched(place->mm);
      }
    });
  }

  const call_stream& stream_;
  std::span<const va_range> watched_;
  page_table_view view_;
  scope found_;
  std::size_t at_ = 0;
};

}  // namespace

bool scope::concerns(u64 start, u64 end) const {
  return ranges.empty() || std::ranges::any_of(ranges, [&](const va_range& r) { return r.intersects(start, end); });
}

scope find_marked(const call_stream& stream) {
  const va_range mark{mark_va, mark_va + PAGE_SIZE};
  return scope_finder(stream, {&mark, 1}).find();
}

scope find_users_of(const call_stream& stream, std::vector<va_range> ranges) {
  scope found = scope_finder(stream, ranges).find();
  found.ranges = std::move(ranges);
  found.marked_by.reset();
  return found;
}

}  // namespace pvmmu::compare
