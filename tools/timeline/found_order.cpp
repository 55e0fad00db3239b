#include "tools/timeline/found_order.h"

#include <optional>

#include "tools/progress.h"
#include "tools/timeline/player.h"

namespace pvmmu::tools {
namespace {

/// Other orders of overlapping calls that are tried before a difference is believed.
constexpr unsigned orders_tried = 200;

/// The place of the first piece that comes out otherwise.
std::optional<std::size_t> first_difference(const recorded_run& run, std::span<const u32> order) {
  player p(run.header, run.before);
  for (std::size_t place = 0; place < order.size(); ++place) {
    const played_piece played =
        p.play(u64{order[place]} + 1, run.pieces[order[place]], rest_of(run.pieces, order, place));
    if (!differences_of(played).empty()) return place;
  }
  return std::nullopt;
}

}  // namespace

replay_order find_order(const recorded_run& run, bool shows_progress) {
  replay_order order(run.pieces);
  if (order.overlapping() == 0) return order;
  progress bar("looking for the order of overlapping calls", orders_tried, shows_progress);
  auto farthest = first_difference(run, order.pieces());
  for (unsigned i = 0; i < orders_tried && farthest && order.propose(*farthest); ++i) {
    const auto other = first_difference(run, order.pieces());
    const bool better = !other || *other > *farthest;
    order.keep(better);
    if (better) farthest = other;
    bar.step();
  }
  return order;
}

}  // namespace pvmmu::tools
