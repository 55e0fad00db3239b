#pragma once
// Which operation had which outcome, and how often: what a campaign has reached, what it has not, and what nobody can
// reach on this build.
//
//   outcome_table table;
//   model_side model{facts, &table};        // counts what runs on it; where nothing differs, the real Xen did the same
//   fmt::print("{}", table.text(100));
//   for (const outcome_cell& c : table.below(100)) …
//
// An operation is an entry of a batch by its command and what it is aimed at ("mmu_update NORMAL: L2"), a call of its
// own ("set_gdt"), or a batch that ends before its first entry ("mmu_update"). An outcome is "0", an errno, "#PF",
// a grant's status, or how many of a reservation's extents were done.

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/abi/types.h"

namespace pvmmu::conform {

struct outcome_cell {
  std::string_view operation;
  std::string_view outcome;
  std::string_view unreachable{};  ///< why no program shows it here; empty: one can
};

/// What the facts and Xen's source name.
std::span<const outcome_cell> known_outcomes();

class outcome_table {
 public:
  /// The names are literals.
  void count(std::string_view operation, std::string_view outcome) { ++counts_[{operation, outcome}]; }
  u64 counted(std::string_view operation, std::string_view outcome) const;

  /// The reachable ones among known_outcomes() that were counted less than `least` times.
  std::vector<outcome_cell> below(u64 least) const;
  /// What was counted although known_outcomes() calls it unreachable.
  std::vector<outcome_cell> unforeseen() const;

  /// For people: a line an operation, then the cells below `least`, then what is out of reach and why.
  std::string text(u64 least) const;
  /// An array of {"operation", "outcome", "count"}, with "unreachable" where it applies.
  std::string json() const;

 private:
  std::map<std::pair<std::string_view, std::string_view>, u64> counts_;
};

}  // namespace pvmmu::conform
