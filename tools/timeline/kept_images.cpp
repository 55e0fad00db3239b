#include "tools/timeline/kept_images.h"

#include <iterator>

namespace pvmmu::tools {
namespace {

// Steps that are made again in some milliseconds, which is also what an image costs.
constexpr u64 near_interval = 128;
constexpr u64 far_interval = 4096;
constexpr std::size_t most_images = 64;

}  // namespace

bool kept_images::wants(u64 made, u64 end) const {
  const bool is_near = end - made <= far_interval;
  return made % (is_near ? near_interval : far_interval) == 0 && !images_.contains(made);
}

void kept_images::keep(u64 made, const xen::machine& m) {
  const auto* const before = nearest(made);
  images_.emplace(made, xen::save(m, before ? &before->second : nullptr));
  if (images_.size() > most_images) thin_out(made);
}

const std::pair<const u64, xen::machine_image>* kept_images::nearest(u64 end) const {
  const auto behind = images_.upper_bound(end);
  return behind == images_.begin() ? nullptr : &*std::prev(behind);
}

/// Drops the one that is missed least: the gap that it leaves is small beside the way to it.
void kept_images::thin_out(u64 made) {
  auto dropped = std::next(images_.begin());
  double least = 0;
  for (auto image = dropped; std::next(image) != images_.end(); ++image) {
    const u64 gap = std::next(image)->first - std::prev(image)->first;
    const u64 way = made > image->first ? made - image->first : image->first - made;
    const double missed = static_cast<double>(gap) / static_cast<double>(way + near_interval);
    if (image == dropped || missed < least) {
      dropped = image;
      least = missed;
    }
  }
  images_.erase(dropped);
}

}  // namespace pvmmu::tools
