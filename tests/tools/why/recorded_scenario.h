#pragma once
// A scenario of the examples that is run here and recorded, for as long as this lives.
//
//   recorded_scenario run("bugs/01-pin-twice", {"alloc_ptpage_checks_pinned=false"});
//   timeline t = timeline::open(run.path(), false);

#include <string>
#include <vector>

#include "tests/scratch_directory.h"

namespace pvmmu::tools {

class recorded_scenario {
 public:
  /// `name` without ending, below examples/; `items` as `pvmmu run --item` has them.
  explicit recorded_scenario(const std::string& name, const std::vector<std::string>& items = {});

  std::string path() const { return scratch_.path("run.rec"); }

 private:
  const scratch_directory scratch_;
};

}  // namespace pvmmu::tools
