#include "tools/conform/outcome_table.h"

#include <fmt/format.h>

#include <algorithm>

namespace pvmmu::conform {
namespace {

const outcome_cell* find_known(std::string_view operation, std::string_view outcome) {
  const auto known = known_outcomes();
  const auto at = std::ranges::find_if(
      known, [&](const outcome_cell& c) { return c.operation == operation && c.outcome == outcome; });
  return at == known.end() ? nullptr : &*at;
}

}  // namespace

u64 outcome_table::counted(std::string_view operation, std::string_view outcome) const {
  const auto at = counts_.find({operation, outcome});
  return at == counts_.end() ? 0 : at->second;
}

std::vector<outcome_cell> outcome_table::below(u64 least) const {
  std::vector<outcome_cell> cells;
  for (const outcome_cell& c : known_outcomes())
    if (c.unreachable.empty() && counted(c.operation, c.outcome) < least) cells.push_back(c);
  return cells;
}

std::vector<outcome_cell> outcome_table::unforeseen() const {
  std::vector<outcome_cell> cells;
  for (const outcome_cell& c : known_outcomes())
    if (!c.unreachable.empty() && counted(c.operation, c.outcome) != 0) cells.push_back(c);
  return cells;
}

std::string outcome_table::text(u64 least) const {
  std::string text;
  std::string_view operation;
  for (const auto& [name, number] : counts_) {
    if (name.first != operation) text += fmt::format("{}{:34}", text.empty() ? "" : "\n", name.first);
    operation = name.first;
    text += fmt::format("  {} {}", name.second, number);
  }
  text += fmt::format("\n\ncells below {}:", least);
  const auto rare = below(least);
  for (const outcome_cell& c : rare)
    text += fmt::format("\n  {} {}: {}", c.operation, c.outcome, counted(c.operation, c.outcome));
  if (rare.empty()) text += " none";
  for (const outcome_cell& c : unforeseen())
    text += fmt::format("\nreached, against what is said below: {} {}", c.operation, c.outcome);
  text += "\n\nout of reach:";
  for (const outcome_cell& c : known_outcomes())
    if (!c.unreachable.empty()) text += fmt::format("\n  {} {}: {}", c.operation, c.outcome, c.unreachable);
  return text + "\n";
}

std::string outcome_table::json() const {
  std::string text;
  const auto add = [&](std::string_view operation, std::string_view outcome, u64 number, std::string_view why) {
    text += fmt::format("{}{{\"operation\": \"{}\", \"outcome\": \"{}\", \"count\": {}", text.empty() ? "" : ", ",
                        operation, outcome, number);
    text += why.empty() ? "}" : fmt::format(", \"unreachable\": \"{}\"}}", why);
  };
  for (const outcome_cell& c : known_outcomes())
    add(c.operation, c.outcome, counted(c.operation, c.outcome), c.unreachable);
  for (const auto& [name, number] : counts_)
    if (!find_known(name.first, name.second)) add(name.first, name.second, number, "");
  return "[" + text + "]";
}

}  // namespace pvmmu::conform
