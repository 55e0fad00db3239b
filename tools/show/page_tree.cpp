#include "tools/show/page_tree.h"

#include <fmt/format.h>

#include <map>
#include <set>
#include <utility>

#include "hypervisor-model/domain.h"

namespace pvmmu::tools {

namespace {

/// Bit 47 decides what the bits above it are.
constexpr u64 canonical(u64 va) { return (va >> 47 & 1) != 0 ? va | ~((u64{1} << 48) - 1) : va; }

/// What one step changed: the values before it.
struct changes_of_step {
  std::map<std::pair<u64, unsigned>, pte_t> entries;  // by table and slot
  std::map<u64, u64> types, counts;                   // by frame

  explicit changes_of_step(const act& step) {
    for (const owned_event& e : step.events) {
      if (e.kind == event_kind::pte) entries.try_emplace({e.mfn.n, e.slot}, e.old);
      if (e.kind == event_kind::type_info) types.try_emplace(e.mfn.n, e.old);
      if (e.kind == event_kind::count_info) counts.try_emplace(e.mfn.n, e.old);
    }
  }
};

template <class Map>
std::optional<u64> before(const Map& old_values, const typename Map::key_type& key, u64 now) {
  const auto at = old_values.find(key);
  return at == old_values.end() || at->second == now ? std::nullopt : std::optional<u64>(at->second);
}

class tree_builder {
 public:
  tree_builder(const xen::machine& m, const act& step, const std::optional<u64>& va)
      : machine_(m), changes_(step), va_(va) {}

  tree_table table(mfn_t mfn, unsigned level, u64 va) {
    const xen::page_info& page = machine_.page(mfn);
    tree_table t{.mfn = mfn,
                 .level = level,
                 .va = va,
                 .type_info = page.type_info,
                 .count_info = page.count_info,
                 .type_info_before = before(changes_.types, mfn.n, page.type_info),
                 .count_info_before = before(changes_.counts, mfn.n, page.count_info)};
    t.told_above = !told_.emplace(mfn.n, level).second;
    for (unsigned slot = 0; slot < entries_per_table; ++slot) {
      if (level == 4 && !is_guest_l4_slot(slot)) continue;
      const pte_t value = machine_.words(mfn)[slot];
      t.present += present(value);
      if (t.told_above || (va_ && table_slot(*va_, level) != slot)) continue;
      const auto old = before(changes_.entries, {mfn.n, slot}, value);
      if (value == 0 && !old) continue;
      t.entries.push_back(entry(value, level, canonical(va + slot * entry_span(level))));
      t.entries.back().slot = slot;
      t.entries.back().before = old;
    }
    return t;
  }

 private:
  tree_entry entry(pte_t value, unsigned level, u64 va) {
    tree_entry e{.va = va, .value = value};
    const bool leads_on = level > 1 && present(value) && (level == 4 || (value & PAGE_PSE) == 0);
    if (leads_on && machine_.mfn_valid(pte_mfn(value)))
      e.below = std::make_unique<tree_table>(table(pte_mfn(value), level - 1, va));
    return e;
  }

  const xen::machine& machine_;
  changes_of_step changes_;
  std::optional<u64> va_;
  std::set<std::pair<u64, unsigned>> told_;  // frame, level
};

struct held_l4 {
  mfn_t mfn;
  std::vector<std::string> by;
};

class l4_list {
 public:
  void add(mfn_t mfn, const std::string& by) {
    if (mfn.n == 0) return;
    for (held_l4& l4 : list_)
      if (l4.mfn == mfn) return l4.by.push_back(by);
    list_.push_back({mfn, {by}});
  }
  const std::vector<held_l4>& list() const { return list_; }

 private:
  std::vector<held_l4> list_;
};

/// Those that run come first.
l4_list all_l4s(const xen::machine& m) {
  l4_list l4s;
  for (const auto& d : m.domains()) {
    for (const auto& v : d->vcpus) {
      const std::string who = fmt::format("CR3 of d{}v{}", d->domid, v->id);
      l4s.add(v->guest_table, who);
      l4s.add(v->guest_table_user, "user " + who);
    }
  }
  for (mfn_t mfn{}; mfn.n < m.config().frames; ++mfn) {
    const u64 type_info = m.page(mfn).type_info;
    if (m.mfn_valid(mfn) && xen::table_level(type_info) == 4 && (type_info & xen::PGT_pinned) != 0)
      l4s.add(mfn, "pinned");
  }
  return l4s;
}

}  // namespace

std::vector<tree_root> page_tree(const xen::machine& m, const act& step, const tree_choice& choice) {
  std::vector<tree_root> roots;
  tree_builder builder(m, step, choice.va);
  const l4_list l4s = all_l4s(m);
  for (const held_l4& l4 : l4s.list()) {
    if (choice.cr3 && *choice.cr3 != l4.mfn) continue;
    tree_root root{l4.by, builder.table(l4.mfn, 4, 0)};
    const bool leads_nowhere = choice.va && root.table.entries.empty();
    if (choice.cr3 || !leads_nowhere) roots.push_back(std::move(root));
  }
  if (choice.cr3 && roots.empty()) roots.push_back({{}, builder.table(*choice.cr3, 4, 0)});
  return roots;
}

}  // namespace pvmmu::tools
