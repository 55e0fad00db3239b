#pragma once
// Every program's window: 2 MiB of virtual addresses with an L1 of its own, one behind the other from one L4 slot on.

#include "tests/conformance/probe/frames.h"

namespace pvmmu::probe {

class windows {
 public:
  /// Puts an L3 into the probe's L4.
  windows(frame_pool& frames, u64 probe_l4_mfn);

  struct window {
    u64 va;
    u64 l1_mfn;
    u64 l2_mfn;
  };
  /// An empty window at an address that was never used before.
  window open();
  u64 l3_mfn() const { return l3_mfn_; }

 private:
  frame_pool& frames_;
  u64 l3_mfn_ = 0;
  u64 l2_mfn_ = 0;
  u64 opened_ = 0;
};

}  // namespace pvmmu::probe
