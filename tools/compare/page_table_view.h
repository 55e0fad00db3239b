#pragma once
// The page tables of a machine as a stream of calls makes them: which frame is a table, at which level, and where in
// which address space it is hooked in. Follows the calls as they were made; answers for none of them whether Xen should
// have done it.
//
// A table has lives. One begins when a frame is first treated as a table, and ends when Linux maps it writable again:
// then it may become anything, and when it is a table once more, that is another one.

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <unordered_map>
#include <vector>

#include "tools/compare/operation.h"
#include "tools/recording_codec.h"

namespace pvmmu::compare {

using life_t = u32;  ///< of a table, counted from 1

/// Where a table is hooked in: what it translates begins at `va` of the address space whose kernel pgd has the life
/// `mm`.
struct table_place {
  life_t mm = 0;
  unsigned level = 0;
  u64 va = 0;
};

struct entry_place {
  mfn_t table;
  unsigned slot = 0;
};

class page_table_view {
 public:
  /// What a table holds. `level` 0: not known yet.
  void load(mfn_t table, unsigned level, std::span<const pte_t, entries_per_table> words);
  /// What vCPU `vcpu` runs on before the first call.
  void load_root(vcpu_id_t vcpu, mfn_t kernel) { roots_[vcpu] = kernel; }

  /// Begins the lives of the tables that `o` names, where they have none.
  void meet(const operation& o);
  /// Carries it out.
  void apply(const operation& o, vcpu_id_t vcpu);

  /// 0: no table now.
  life_t life_of(mfn_t frame) const;
  unsigned level_of(mfn_t frame) const;
  pte_t entry(entry_place e) const;
  /// Of a table in the lower half of some address space; of a pgd itself. User mode's pgd belongs to the address space
  /// whose tables it has: while it has none, nobody knows.
  std::optional<table_place> place_of(mfn_t table) const;
  /// The entry of `level` that translates `va` under the pgd `root`.
  std::optional<entry_place> walk(mfn_t root, u64 va, unsigned level) const;
  mfn_t root(vcpu_id_t vcpu) const;
  /// A pgd that maps the kernel too; user mode's does not.
  bool is_kernel_pgd(mfn_t table) const;
  /// Those that are tables now.
  const std::set<mfn_t>& kernel_pgds() const { return kernel_pgds_; }

  /// Calls `visit(table, level, va)` for `table` and all tables below it, in order of address; of a pgd, those of the
  /// lower half.
  template <class F>
  void each_table(mfn_t table, unsigned level, u64 va, F&& visit) const;

 private:
  struct table_state {
    life_t life = 0;
    unsigned level = 0;
    std::unique_ptr<tools::table_words> words = std::make_unique<tools::table_words>();
    std::vector<entry_place> parents{};
  };

  static bool hooks(unsigned level, unsigned slot, pte_t entry);
  table_state& begin_life(mfn_t frame);
  void end_life(mfn_t frame);
  void set_level(mfn_t frame, unsigned level);
  void set(entry_place e, pte_t value);
  void hook(entry_place e, pte_t value);
  void unhook(entry_place e, pte_t value);

  std::unordered_map<mfn_t, table_state> tables_;
  std::set<mfn_t> kernel_pgds_;
  std::map<vcpu_id_t, mfn_t> roots_;
  life_t last_life_ = 0;
};

/// The user's part of a table's entries: a pgd's lower half, or all.
constexpr unsigned user_slots(unsigned level) { return level == 4 ? first_xen_slot : entries_per_table; }

/// The address that an entry translates first, made canonical.
constexpr u64 entry_va(u64 table_va, unsigned level, unsigned slot) { return table_va + slot * entry_span(level); }

template <class F>
void page_table_view::each_table(mfn_t table, unsigned level, u64 va, F&& visit) const {
  visit(table, level, va);
  if (level == 1) return;
  for (unsigned slot = 0; slot < user_slots(level); ++slot) {
    const pte_t e = entry({table, slot});
    if (hooks(level, slot, e)) each_table(pte_mfn(e), level - 1, entry_va(va, level, slot), visit);
  }
}

}  // namespace pvmmu::compare
