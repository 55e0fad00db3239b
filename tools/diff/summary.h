#pragma once
// What two runs' differences come to: sums, what only one of them said, and what they cost.

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tools/diff/end_state.h"
#include "tools/diff/run_diff.h"

namespace pvmmu::tools {

struct cost_row {
  std::string_view name;  ///< "multicall_entries"
  u64 tally::* count;
};
std::span<const cost_row> cost_rows();
bool same_cost(const tally& a, const tally& b);

/// A message or a refusal that the runs do not have alike often.
struct said_difference {
  std::string text;  ///< as it is in the first place
  u64 a = 0;         ///< how often
  u64 b = 0;
  u64 first_step = 0;  ///< of the recording that has more of them; 0: it is a kernel's line
};

class diff_summary {
 public:
  void add(const step_diff& s);
  void end(const run_diff& d, timeline& a, timeline& b);

  bool alike() const { return steps_differ == 0 && end_differences.empty() && !one_is_torn; }
  std::vector<said_difference> said() const;
  /// "2 of 10 steps differ: …", "no difference in 10 steps"
  std::string verdict() const;

  u64 steps = 0;
  u64 steps_differ = 0;
  u64 calls_alike = 0;
  u64 calls_differ = 0;
  u64 only_a = 0;
  u64 only_b = 0;
  bool one_is_torn = false;  ///< of what it lacks nothing is known
  tally cost_a{}, cost_b{};
  std::vector<end_difference> end_differences{};

 private:
  struct saying {
    std::string text;
    u64 count = 0;
    u64 first_step = 0;
  };
  using sayings = std::map<std::string, saying>;  ///< by what is neutral of it
  static void add(const told& t, sayings& to);

  sayings said_a_, said_b_;
};

}  // namespace pvmmu::tools
