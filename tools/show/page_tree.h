#pragma once
// The page tables behind a step, as the processor would walk them from each L4 that is loaded or pinned, with what the
// step changed:
//
//   for (const tree_root& root : page_tree(m, act, {})) …    root.table.entries[0].below->entries …
//
// Xen's own slots of an L4 are left out. A table that hangs in several places is told in full where it comes first.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hypervisor-model/machine/machine.h"
#include "tools/report/journal.h"

namespace pvmmu::tools {

struct tree_table;

/// An entry that is not 0, or was not before the step.
struct tree_entry {
  unsigned slot = 0;
  u64 va = 0;  ///< the first that it translates
  pte_t value = 0;
  std::optional<pte_t> before{};        ///< where the step changed it
  std::unique_ptr<tree_table> below{};  ///< the table that it leads to
};

struct tree_table {
  mfn_t mfn{};
  unsigned level = 0;  ///< by its place; its type may be another
  u64 va = 0;
  u64 type_info = 0;
  u64 count_info = 0;
  std::optional<u64> type_info_before{};  ///< where the step changed it
  std::optional<u64> count_info_before{};
  unsigned present = 0;               ///< entries
  bool told_above = false;            ///< its entries are to be found where it came first
  std::vector<tree_entry> entries{};  ///< ascending

  u64 last_va() const { return va + entries_per_table * entry_span(level) - 1; }
};

struct tree_root {
  std::vector<std::string> held_by;  ///< "CR3 of d0v0", "user CR3 of d0v1", "pinned"
  tree_table table;
};

struct tree_choice {
  std::optional<mfn_t> cr3{};  ///< this L4 alone
  std::optional<u64> va{};     ///< only what lies on the way to it, and L4s that have such a way
};

/// `m` stands behind `step`.
std::vector<tree_root> page_tree(const xen::machine& m, const act& step, const tree_choice& choice);

}  // namespace pvmmu::tools
