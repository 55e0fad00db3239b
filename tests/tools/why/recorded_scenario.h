#pragma once
// A scenario of the examples that is run here and recorded, for as long as this lives.
//
//   recorded_scenario run("bugs/01-pin-twice", {"already_pinned=pin"});
//   timeline t = timeline::open(run.path(), false);

#include <filesystem>
#include <string>
#include <vector>

namespace pvmmu::tools {

class recorded_scenario {
 public:
  /// `name` without ending, below examples/; `items` as `pvmmu run --item` has them.
  explicit recorded_scenario(const std::string& name, const std::vector<std::string>& items = {});
  ~recorded_scenario();
  recorded_scenario(const recorded_scenario&) = delete;
  recorded_scenario& operator=(const recorded_scenario&) = delete;

  std::string path() const { return folder_ / "run.rec"; }

 private:
  std::filesystem::path folder_;
};

}  // namespace pvmmu::tools
