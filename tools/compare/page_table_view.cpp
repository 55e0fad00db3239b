#include "tools/compare/page_table_view.h"

#include <algorithm>

namespace pvmmu::compare {
namespace {

/// The pgd's slot of the direct map, from 0xffff888000000000 on.
constexpr unsigned direct_map_slot = 273;

}  // namespace

/// Whether an entry leads to a table: of the kernel's half, which all pgds share, only the tables below its L3s are
/// kept.
bool page_table_view::hooks(unsigned level, unsigned slot, pte_t entry) {
  return level >= 2 && slot < user_slots(level) && present(entry) && (level == 4 || (entry & PAGE_PSE) == 0);
}

// ---- what is known

life_t page_table_view::life_of(mfn_t frame) const {
  const auto found = tables_.find(frame);
  return found == tables_.end() ? 0 : found->second.life;
}

unsigned page_table_view::level_of(mfn_t frame) const {
  const auto found = tables_.find(frame);
  return found == tables_.end() ? 0 : found->second.level;
}

pte_t page_table_view::entry(entry_place e) const {
  const auto found = tables_.find(e.table);
  return found == tables_.end() ? 0 : (*found->second.words)[e.slot];
}

mfn_t page_table_view::root(vcpu_id_t vcpu) const {
  const auto found = roots_.find(vcpu);
  return found == roots_.end() ? mfn_t{} : found->second;
}

bool page_table_view::is_kernel_pgd(mfn_t table) const { return present(entry({table, direct_map_slot})); }

std::optional<table_place> page_table_view::place_of(mfn_t frame) const {
  const auto found = tables_.find(frame);
  if (found == tables_.end() || found->second.level == 0) return std::nullopt;
  const table_state& t = found->second;
  if (t.level == 4) {
    if (is_kernel_pgd(frame)) return table_place{t.life, 4, 0};
    // User mode's: it shares its tables with the kernel's.
    for (unsigned slot = 0; slot < first_xen_slot; ++slot) {
      if (!hooks(4, slot, (*t.words)[slot])) continue;
      const auto below = place_of(pte_mfn((*t.words)[slot]));
      if (below) return table_place{below->mm, 4, 0};
    }
    return std::nullopt;
  }
  std::optional<table_place> place;
  for (const entry_place& parent : t.parents) {
    if (level_of(parent.table) != t.level + 1) continue;  // no Linux has such tables, but a damaged recording may
    if (t.level == 3 && !is_kernel_pgd(parent.table)) continue;
    const auto above = t.level == 3 ? table_place{life_of(parent.table), 4, 0} : place_of(parent.table);
    if (above) return table_place{above->mm, t.level, entry_va(above->va, t.level + 1, parent.slot)};
  }
  return place;
}

std::optional<entry_place> page_table_view::walk(mfn_t root, u64 va, unsigned level) const {
  entry_place e{root, table_slot(va, 4)};
  for (unsigned at = 4; at > level; --at) {
    const pte_t value = entry(e);
    if (!present(value)) return std::nullopt;
    e = {pte_mfn(value), table_slot(va, at - 1)};
  }
  return tables_.contains(e.table) ? std::optional(e) : std::nullopt;
}

// ---- lives

page_table_view::table_state& page_table_view::begin_life(mfn_t frame) {
  table_state& t = tables_[frame];
  if (t.life == 0) t.life = ++last_life_;
  return t;
}

void page_table_view::end_life(mfn_t frame) {
  const auto found = tables_.find(frame);
  if (found == tables_.end()) return;
  table_state& t = found->second;
  for (unsigned slot = 0; slot < user_slots(t.level); ++slot) unhook({frame, slot}, (*t.words)[slot]);
  t.words->fill(0);
  t.level = 0;
  t.life = 0;
  kernel_pgds_.erase(frame);
}

void page_table_view::set_level(mfn_t frame, unsigned level) {
  table_state& t = begin_life(frame);
  if (t.level == level) return;
  for (unsigned slot = 0; slot < user_slots(t.level); ++slot) unhook({frame, slot}, (*t.words)[slot]);
  t.level = level;
  if (level == 4 && is_kernel_pgd(frame)) kernel_pgds_.insert(frame);
  for (unsigned slot = 0; slot < user_slots(level); ++slot) hook({frame, slot}, (*tables_[frame].words)[slot]);
}

// ---- entries

void page_table_view::hook(entry_place e, pte_t value) {
  const unsigned level = level_of(e.table);
  if (!hooks(level, e.slot, value)) return;
  begin_life(pte_mfn(value)).parents.push_back(e);
  set_level(pte_mfn(value), level - 1);
}

void page_table_view::unhook(entry_place e, pte_t value) {
  if (!hooks(level_of(e.table), e.slot, value)) return;
  auto& parents = tables_[pte_mfn(value)].parents;
  const auto found =
      std::ranges::find_if(parents, [&](const entry_place& p) { return p.table == e.table && p.slot == e.slot; });
  if (found != parents.end()) parents.erase(found);
}

void page_table_view::set(entry_place e, pte_t value) {
  pte_t& entry = (*begin_life(e.table).words)[e.slot];
  unhook(e, entry);
  entry = value;
  hook(e, value);
}

void page_table_view::load(mfn_t frame, unsigned level, std::span<const pte_t, entries_per_table> words) {
  begin_life(frame);
  // Xen makes the user's pages global; a table that the calls filled shows them as the guest wrote them.
  for (unsigned slot = 0; slot < entries_per_table; ++slot) {
    const pte_t word = level == 1 && present(words[slot]) ? words[slot] & ~PAGE_GLOBAL : words[slot];
    if (entry({frame, slot}) != word) set({frame, slot}, word);
  }
  if (level != 0) set_level(frame, level);
}

// ---- operations

void page_table_view::meet(const operation& o) {
  switch (o.what) {
    case operation::kind::set_entry:
    case operation::kind::trapped_store:
    case operation::kind::pin: begin_life(o.frame); break;
    case operation::kind::va_mapping:
      if (present(o.value) && (o.value & PAGE_RW) == 0) begin_life(o.frame);
      break;
    default: return;
  }
  if (hooks(level_of(o.frame), o.slot, o.value) && o.what == operation::kind::set_entry) begin_life(pte_mfn(o.value));
}

void page_table_view::apply(const operation& o, vcpu_id_t vcpu) {
  switch (o.what) {
    case operation::kind::set_entry: return set({o.frame, o.slot}, o.value);
    case operation::kind::trapped_store:
      return set({o.frame, o.slot}, (entry({o.frame, o.slot}) & ~o.written) | o.value);
    case operation::kind::pin: return set_level(o.frame, o.level);
    case operation::kind::load_cr3: roots_[vcpu] = o.frame; return;
    case operation::kind::va_mapping:
      if (const auto e = walk(root(vcpu), o.va, 1)) set(*e, o.value);
      if (present(o.value) && (o.value & PAGE_RW) != 0) end_life(o.frame);
      return;
    default: return;
  }
}

}  // namespace pvmmu::compare
