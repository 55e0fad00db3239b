#pragma once
// What `pvmmu show` was asked for, and which steps that means.

#include <functional>
#include <optional>
#include <string>

#include "tools/show/step_facts.h"

namespace pvmmu::tools {

struct show_request {
  std::string path{};
  std::string steps{};         ///< "51", "last", "40-60"; empty: all
  std::optional<mfn_t> mfn{};  ///< only steps that touch this frame
  std::optional<u64> va{};     ///< only steps that change an entry on the way to it
  std::optional<mfn_t> cr3{};  ///< … in the address space of this L4
  bool changes = false;        ///< only what changed
  bool tree = false;           ///< the page tables behind each step
};

/// Numbers of steps, both included.
struct step_range {
  u64 first = 0;
  u64 last = 0;
};

/// "51", "last", "40-60", "40-last"; the empty text is all. Throws input_error for others, and for steps that a
/// recording of `size` does not have. Step 0, the state before the first, is one where `zero_is_one`.
step_range parse_steps(const std::string& text, u64 size, bool zero_is_one);

/// Throws input_error where the machine has no such frame; `option` is who asked.
void check_frame(timeline& t, const std::string& option, const std::optional<mfn_t>& mfn);

/// Whether the step that `t` stands behind is asked for.
bool is_wanted(timeline& t, const show_request& request);

/// Goes to each step that is asked for, in the order in which they were made, and calls `visit`. Returns how many.
u64 for_each_step(timeline& t, const show_request& request, const std::function<void()>& visit);

}  // namespace pvmmu::tools
