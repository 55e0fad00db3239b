#include "tools/recording_callers.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace pvmmu::tools {

std::string callers_of(const recording::piece& piece) {
  constexpr int most_shown = 4;
  const auto first = piece.callers().begin();
  return fmt::to_string(fmt::join(first, first + std::min(piece.callers_size(), most_shown), " < "));
}

}  // namespace pvmmu::tools
