#include "tools/diff/align.h"

#include <algorithm>
#include <cassert>

namespace pvmmu::tools {

namespace {

using list = std::span<const u32>;

constexpr s64 unreached = -1;

/// How far paths of so many edits get from one corner of the grid `a` × `b`, diagonal by diagonal: x - y = k.
class frontier {
 public:
  frontier(list a, list b, bool backward)
      : a_(a), b_(b), backward_(backward), reached_(a.size() + b.size() + 3, unreached) {
    at(0) = 0;  // the lists differ in their first elements and in their last
  }

  s64 x(s64 k) const {
    return k < -height() - 1 || k > width() + 1 ? unreached : reached_[static_cast<std::size_t>(k + height() + 1)];
  }

  /// Goes from the paths of edits - 1 to those of `edits` on diagonal k.
  void advance(s64 k) {
    const s64 right = x(k - 1) != unreached && x(k - 1) < width() ? x(k - 1) + 1 : unreached;
    const s64 down = x(k + 1) != unreached && x(k + 1) - k <= height() ? x(k + 1) : unreached;
    s64 reached = std::max(right, down);
    if (reached != unreached)
      while (reached < width() && reached - k < height() && equal(reached, reached - k)) ++reached;
    at(k) = reached;
  }

 private:
  s64 width() const { return static_cast<s64>(a_.size()); }
  s64 height() const { return static_cast<s64>(b_.size()); }
  s64& at(s64 k) { return reached_[static_cast<std::size_t>(k + height() + 1)]; }
  bool equal(s64 x, s64 y) const {
    return backward_ ? a_[static_cast<std::size_t>(width() - 1 - x)] == b_[static_cast<std::size_t>(height() - 1 - y)]
                     : a_[static_cast<std::size_t>(x)] == b_[static_cast<std::size_t>(y)];
  }

  list a_, b_;
  bool backward_;
  std::vector<s64> reached_;
};

struct point {
  s64 x = 0;
  s64 y = 0;
};

/// A point on a shortest path through the grid, neither its first nor its last: where paths from both corners meet.
point middle(list a, list b, s64 most) {
  const auto width = static_cast<s64>(a.size()), height = static_cast<s64>(b.size());
  const s64 delta = width - height;
  const bool odd = delta % 2 != 0;
  frontier from_start(a, b, false), from_end(a, b, true);
  const auto meet = [&](s64 k) {
    const s64 one = from_start.x(k), other = from_end.x(delta - k);
    return one != unreached && other != unreached && one + other >= width;
  };
  for (s64 edits = 1;; ++edits) {
    point farthest;
    for (s64 k = -edits; k <= edits; k += 2) {
      if (k < -height || k > width) continue;
      from_start.advance(k);
      const point p{from_start.x(k), from_start.x(k) - k};
      if (odd && meet(k)) return p;
      if (p.x != unreached && p.x + p.y > farthest.x + farthest.y) farthest = p;
    }
    if (edits >= most) return farthest;
    for (s64 k = -edits; k <= edits; k += 2) {
      if (k < -height || k > width) continue;
      from_end.advance(k);
      if (!odd && meet(delta - k)) return {width - from_end.x(k), height - (from_end.x(k) - k)};
    }
  }
}

void add_common(list a, list b, std::size_t a_begin, std::size_t b_begin, s64 most, place_pairs& found) {
  while (!a.empty() && !b.empty() && a.front() == b.front()) {
    found.emplace_back(a_begin++, b_begin++);
    a = a.subspan(1);
    b = b.subspan(1);
  }
  std::size_t tail = 0;
  while (!a.empty() && !b.empty() && a.back() == b.back()) {
    ++tail;
    a = a.first(a.size() - 1);
    b = b.first(b.size() - 1);
  }
  if (!a.empty() && !b.empty()) {
    const point p = middle(a, b, most);
    const auto x = static_cast<std::size_t>(p.x), y = static_cast<std::size_t>(p.y);
    add_common(a.first(x), b.first(y), a_begin, b_begin, most, found);
    add_common(a.subspan(x), b.subspan(y), a_begin + x, b_begin + y, most, found);
  }
  for (std::size_t i = 0; i < tail; ++i) found.emplace_back(a_begin + a.size() + i, b_begin + b.size() + i);
}

/// Elements [begin, end).
struct stretch {
  std::size_t begin = 0;
  std::size_t end = 0;
  list of(const std::vector<u32>& view) const { return list(view).subspan(begin, end - begin); }
};

void add_rows(const views& a, const views& b, std::size_t view, stretch in_a, stretch in_b,
              std::vector<aligned_row>& rows) {
  if (view == a.size()) {
    for (; in_a.begin < in_a.end; ++in_a.begin) rows.push_back({.a = in_a.begin});
    for (; in_b.begin < in_b.end; ++in_b.begin) rows.push_back({.b = in_b.begin});
    return;
  }
  stretch gap_a{in_a.begin, in_a.begin}, gap_b{in_b.begin, in_b.begin};
  for (const auto& [x, y] : common(in_a.of(a[view]), in_b.of(b[view]))) {
    gap_a.end = in_a.begin + x;
    gap_b.end = in_b.begin + y;
    add_rows(a, b, view + 1, gap_a, gap_b, rows);
    rows.push_back({gap_a.end, gap_b.end});
    gap_a.begin = gap_a.end + 1;
    gap_b.begin = gap_b.end + 1;
  }
  add_rows(a, b, view + 1, {gap_a.begin, in_a.end}, {gap_b.begin, in_b.end}, rows);
}

}  // namespace

place_pairs common(list a, list b, s64 edits) {
  place_pairs found;
  add_common(a, b, 0, 0, edits, found);
  return found;
}

std::vector<aligned_row> align(const views& a, const views& b) {
  assert(a.size() == b.size() && !a.empty());
  std::vector<aligned_row> rows;
  add_rows(a, b, 0, {0, a.front().size()}, {0, b.front().size()}, rows);
  return rows;
}

}  // namespace pvmmu::tools
