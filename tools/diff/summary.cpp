#include "tools/diff/summary.h"

#include <algorithm>
#include <array>

namespace pvmmu::tools {

std::span<const cost_row> cost_rows() {
  static constexpr std::array rows{
      cost_row{"hypercalls", &tally::hypercalls},    cost_row{"multicall_entries", &tally::multicall_entries},
      cost_row{"updates", &tally::updates},          cost_row{"traps", &tally::traps},
      cost_row{"validated", &tally::validated},      cost_row{"validated_again", &tally::validated_again},
      cost_row{"devalidated", &tally::devalidated},  cost_row{"guest_flushes", &tally::guest_flushes},
      cost_row{"xen_flushes", &tally::xen_flushes},  cost_row{"continuations", &tally::continuations},
      cost_row{"failed_calls", &tally::failed_calls}};
  return rows;
}

bool same_cost(const tally& a, const tally& b) {
  return std::ranges::all_of(cost_rows(), [&](const cost_row& row) { return a.*row.count == b.*row.count; });
}

void diff_summary::add(const told& t, sayings& to) {
  const auto say = [&](const std::string& neutral, const std::string& text) {
    saying& s = to.try_emplace(neutral, saying{text, 0, t.step}).first->second;
    ++s.count;
  };
  for (std::size_t i = 0; i < t.lines.size(); ++i) {
    if (t.lines[i].role == line_role::message) say(t.neutral[i], t.lines[i].text);
    // Of a multicall its entries say what was refused, and what they asked for stands below.
    if (t.lines[i].role != line_role::failed || t.neutral[i].starts_with("multicall")) continue;
    const bool has_argument = i + 1 < t.lines.size() && t.lines[i + 1].role == line_role::plain;
    say(t.neutral[i] + (has_argument ? t.neutral[i + 1] : ""),
        t.lines[i].text + (has_argument ? ": " + t.lines[i + 1].text : ""));
  }
}

void diff_summary::add(const step_diff& s) {
  // Where neither does anything before the first step, that is no step.
  const bool none = s.rows.empty() && s.same_title() && s.a->title.empty();
  steps += !none;
  steps_differ += !s.alike();
  for (const aligned_row& row : s.rows) {
    const bool is_call = s.is_call(row);
    calls_alike += is_call && s.alike(row);
    calls_differ += is_call && row.a && row.b && !s.alike(row);
    only_a += is_call && row.a && !row.b;
    only_b += is_call && row.b && !row.a;
    if (row.a) add(s.a->all[*row.a], said_a_);
    if (row.b) add(s.b->all[*row.b], said_b_);
  }
}

void diff_summary::end(const run_diff& d, timeline& a, timeline& b) {
  one_is_torn = a.torn().has_value() != b.torn().has_value();
  cost_a = d.a().cost();
  cost_b = d.b().cost();
  end_differences = differences(end_state_of(a.machine(), d.a().roles()), end_state_of(b.machine(), d.b().roles()));
}

std::vector<said_difference> diff_summary::said() const {
  std::vector<said_difference> found;
  for (const auto& [neutral, s] : said_a_) {
    const auto other = said_b_.find(neutral);
    const u64 there = other == said_b_.end() ? 0 : other->second.count;
    if (s.count != there)
      found.push_back({s.text, s.count, there, s.count > there ? s.first_step : other->second.first_step});
  }
  for (const auto& [neutral, s] : said_b_)
    if (!said_a_.contains(neutral)) found.push_back({s.text, 0, s.count, s.first_step});
  return found;
}

std::string diff_summary::verdict() const {
  if (alike())
    return fmt::format("no difference in {}, {}", count_text(steps, "step"), count_text(calls_alike, "call"));
  if (steps_differ == 0 && end_differences.empty())
    return fmt::format("no difference as far as the torn one goes: {}, {}", count_text(steps, "step"),
                       count_text(calls_alike, "call"));
  return fmt::format("{} of {} differ{}: {} differ{}, {} of A alone, {} of B alone, {} alike; {}", steps_differ,
                     count_text(steps, "step"), steps_differ == 1 ? "s" : "", count_text(calls_differ, "call"),
                     calls_differ == 1 ? "s" : "", only_a, only_b, calls_alike,
                     end_differences.empty() ? "they end alike" : "they end otherwise");
}

}  // namespace pvmmu::tools
