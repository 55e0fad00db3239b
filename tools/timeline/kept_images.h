#pragma once
// Images of the machine from along the way, so that going back makes few steps again: some of everywhere, more of where
// the way ended last.
//
//   kept_images images;
//   if (images.wants(made, end)) images.keep(made, machine);
//   if (const auto* from = images.nearest(end)) …             // at most as far as `end`

#include <map>

#include "hypervisor-model/machine_image.h"

namespace pvmmu::tools {

class kept_images {
 public:
  /// Whether one is to be kept behind `made` steps, on the way to `end`.
  bool wants(u64 made, u64 end) const;
  void keep(u64 made, const xen::machine& m);
  /// The last image from behind `end` steps or fewer, with their number; nullptr: there is none.
  const std::pair<const u64, xen::machine_image>* nearest(u64 end) const;

 private:
  void thin_out(u64 made);

  std::map<u64, xen::machine_image> images_;
};

}  // namespace pvmmu::tools
