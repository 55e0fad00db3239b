#pragma once
// The grants of the domain, given out to programs: none twice, as one that is mapped cannot be used anew.

#include "tests/conformance/probe/program.h"

namespace pvmmu::probe {

class grant_pool {
 public:
  /// Makes the grant table as large as it can be, and says where its frames lie.
  explicit grant_pool(u64 (&mfns)[nr_grant_frames]);

  /// The first of `nr` grants in a row, in one frame.
  u32 take(u32 nr);

 private:
  u32 next_;
};

}  // namespace pvmmu::probe
