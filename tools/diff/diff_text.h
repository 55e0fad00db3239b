#pragma once
// What `pvmmu diff` prints: for people, steps side by side; for programs, one JSON document.

#include <functional>
#include <string>

#include "tools/timeline/timeline.h"

namespace pvmmu::tools {

/// A run to hold against another.
struct diff_side {
  std::string path;
  timeline& run;
};

/// Hands the text to `write` step by step; returns whether nothing differs. Both timelines are left behind their last
/// steps.
bool diff_text(const diff_side& a, const diff_side& b, std::size_t columns, bool colored,
               const std::function<void(const std::string&)>& write);

/// The same for programs: all that differs, and of what is alike how much.
bool diff_json(const diff_side& a, const diff_side& b, const std::function<void(const std::string&)>& write);

}  // namespace pvmmu::tools
