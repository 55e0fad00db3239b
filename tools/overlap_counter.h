#pragma once
// How many of a recording's pieces overlap: were entered before one that was entered earlier was left. Pieces are taken
// in the order of their entries; those without moments overlap with none.

#include "recording.pb.h"

#include <algorithm>

#include "proto/abi/types.h"

namespace pvmmu::tools {

class overlap_counter {
 public:
  void take(const recording::piece& piece) {
    if (piece.entered() != 0 && piece.entered() < last_left_) ++overlapping_;
    last_left_ = std::max(last_left_, u64{piece.left()});
  }
  u64 overlapping() const { return overlapping_; }

 private:
  u64 last_left_ = 0;
  u64 overlapping_ = 0;
};

}  // namespace pvmmu::tools
