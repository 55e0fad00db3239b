#include "tools/timeline/replay_order.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <stdexcept>

#include "tools/left_calls.h"

namespace pvmmu::tools {

replay_order::replay_order(std::span<const recording::piece> pieces) : order_(pieces.size()) {
  std::iota(order_.begin(), order_.end(), u32{0});
  for (const recording::piece& piece : pieces) {
    intervals_.push_back({piece.entered(), piece.left(), piece.vcpu()});
    overlaps_.take(piece);
  }
}

bool replay_order::overlap(u32 a, u32 b) const {
  const interval& x = intervals_[a];
  const interval& y = intervals_[b];
  return x.entered != 0 && y.entered != 0 && x.vcpu != y.vcpu && x.entered < y.left && y.entered < x.left;
}

/// A piece may pass those that it overlaps with.
void replay_order::find_moves(std::size_t at) {
  moves_.clear();
  const u32 piece = order_[at];
  for (std::size_t to = at + 1; to < order_.size() && overlap(piece, order_[to]); ++to) moves_.push_back({at, to});
  for (std::size_t to = at; to > 0 && overlap(piece, order_[to - 1]); --to) moves_.push_back({at, to - 1});
  // … or an earlier one may have to come behind it.
  for (std::size_t next = at; next > 0 && overlap(order_[next - 1], piece); --next) {
    const std::size_t from = next - 1;
    const auto between = std::span(order_).subspan(from + 1, at - from);
    if (std::ranges::all_of(between, [&](u32 other) { return overlap(order_[from], other); }))
      moves_.push_back({from, at});
  }
  std::ranges::reverse(moves_);  // the nearest is taken first, from the end
}

void replay_order::apply(move m) {
  const auto place = [this](std::size_t i) { return order_.begin() + static_cast<std::ptrdiff_t>(i); };
  if (m.from < m.to) {
    std::rotate(place(m.from), place(m.from + 1), place(m.to + 1));
  } else {
    std::rotate(place(m.to), place(m.from), place(m.from + 1));
  }
}

bool replay_order::propose(std::size_t at) {
  if (at != at_) find_moves(at);
  at_ = at;
  if (moves_.empty()) return false;
  last_ = moves_.back();
  moves_.pop_back();
  apply(last_);
  return true;
}

void replay_order::keep(bool better) {
  if (better) {
    at_ = ~std::size_t{0};
  } else {
    apply({last_.to, last_.from});
  }
}

const recording::piece* rest_of(std::span<const recording::piece> pieces, std::span<const u32> order,
                                std::size_t place) {
  const recording::piece& piece = pieces[order[place]];
  check_counts(piece);
  if (!was_left(piece)) return nullptr;
  const auto behind = order.subspan(place + 1);
  const auto later = std::ranges::find_if(behind, [&](u32 number) { return continues(piece, pieces[number]); });
  if (later != behind.end()) return &pieces[*later];
  if (piece.call().has_memory_op()) return nullptr;  // it had done so many extents
  throw std::invalid_argument(fmt::format("piece {} was left, and no later one goes on with it", order[place] + 1));
}

}  // namespace pvmmu::tools
