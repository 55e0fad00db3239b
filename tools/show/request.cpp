#include "tools/show/request.h"

#include <algorithm>
#include <charconv>

#include "tools/command.h"
#include "tools/show/touched.h"

namespace pvmmu::tools {

namespace {

std::optional<u64> parse_step(std::string_view text, u64 size) {
  if (text == "last") return size;
  u64 number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

step_range parse_steps(const std::string& text, u64 size, bool zero_is_one) {
  if (text.empty()) return {1, size};
  const std::size_t dash = text.find('-');
  const std::string_view whole = text;
  const std::optional<u64> first = parse_step(whole.substr(0, dash), size);
  const std::optional<u64> last = dash == std::string::npos ? first : parse_step(whole.substr(dash + 1), size);
  if (!first || !last || *first > *last)
    throw input_error(fmt::format("--step {}: a number, two as A-B, or \"last\" is expected", text));
  if (*last > size || (*first == 0 && !zero_is_one))
    throw input_error(size == 0 ? fmt::format("--step {}: the recording has no steps", text)
                                : fmt::format("--step {}: the recording has steps 1 to {}", text, size));
  return {*first, *last};
}

void check_frame(timeline& t, const std::string& option, const std::optional<mfn_t>& mfn) {
  if (mfn && mfn->n >= t.machine().config().frames)
    throw input_error(fmt::format("{} {:#x}: the recording's machine has frames below {:#x}", option, mfn->n,
                                  t.machine().config().frames));
}

bool is_wanted(timeline& t, const show_request& request) {
  const act& a = t.step().act;
  if (request.mfn) {
    const std::vector<u64> frames = touched_frames(a);
    if (!std::ranges::binary_search(frames, request.mfn->n)) return false;
  }
  return !request.va || !events_on_walk(t.machine(), a, *request.va, request.cr3).empty();
}

u64 for_each_step(timeline& t, const show_request& request, const std::function<void()>& visit) {
  const step_range range = parse_steps(request.steps, t.size(), false);
  u64 found = 0;
  for (u64 number = t.next(0); number != 0; number = t.next(number)) {
    if (number < range.first || number > range.last) continue;
    t.go_to(number);
    if (!is_wanted(t, request)) continue;
    ++found;
    visit();
  }
  return found;
}

}  // namespace pvmmu::tools
