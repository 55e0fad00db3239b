#include "hypervisor-model/audit_holders.h"

#include <algorithm>
#include <map>
#include <unordered_set>

namespace pvmmu::xen {
namespace {

/// Keeps what it is told, by frame.
struct keeper : reference_visitor {
  explicit keeper(std::unordered_map<mfn_t, std::vector<holder>>& to) : holders(to) {}
  bool on_owned(mfn_t mfn) override { return owned.insert(mfn).second; }
  void on_reference(mfn_t mfn, const holder& h) override { holders[mfn].push_back(h); }

  std::unordered_map<mfn_t, std::vector<holder>>& holders;
  std::unordered_set<mfn_t> owned;
};

/// The address that begins at slot 256 of an L4 is the lowest of the upper half.
u64 canonical(u64 va) { return va & (u64{1} << 47) ? va | ~((u64{1} << 48) - 1) : va; }

}  // namespace

reference_index::reference_index(machine& m) : m_(m) {
  keeper all(holders_);
  visit_references(m_, all);
  for (const mfn_t mfn : all.owned) holders_.try_emplace(mfn);
}

std::vector<holder> reference_index::holders_of(mfn_t mfn) const {
  std::unordered_map<mfn_t, std::vector<holder>> marks;
  keeper own(marks);
  visit_marks(m_, mfn, own);
  std::vector<holder> all = std::move(marks[mfn]);
  if (const auto others = holders_.find(mfn); others != holders_.end())
    all.insert(all.end(), others->second.begin(), others->second.end());
  return all;
}

std::vector<entry_address> reference_index::addresses_of(mfn_t table, unsigned slot, std::size_t limit) const {
  struct place {
    mfn_t table;
    unsigned level;
    u64 va;
  };
  const unsigned level = table_level(m_.page(table).type_info);
  std::map<u64, entry_address> found;
  std::vector<place> ways{{table, level, slot * entry_span(level == 0 ? 1 : level)}};
  while (!ways.empty() && level != 0) {
    const place at = ways.back();
    ways.pop_back();
    if (at.level == 4) {
      const u64 va = canonical(at.va);
      const auto [known, is_new] = found.try_emplace(va, entry_address{va, at.table, 1});
      if (is_new) continue;
      known->second.l4 = std::min(known->second.l4, at.table);
      ++known->second.l4s;
      continue;
    }
    const auto above = holders_.find(at.table);
    if (above == holders_.end()) continue;
    for (const holder& h : above->second) {
      if (h.kind == holder_kind::table_entry && h.level == at.level + 1)
        ways.push_back({h.table, at.level + 1, at.va + h.slot * entry_span(at.level + 1)});
    }
  }
  std::vector<entry_address> all;
  for (const auto& [va, address] : found) {
    if (all.size() < limit) all.push_back(address);
  }
  return all;
}

std::vector<mfn_t> reference_index::frames() const {
  std::vector<mfn_t> all;
  all.reserve(holders_.size());
  for (const auto& [mfn, others] : holders_) all.push_back(mfn);
  std::ranges::sort(all);
  return all;
}

std::vector<holder> holders_of(machine& m, mfn_t mfn) { return reference_index(m).holders_of(mfn); }

}  // namespace pvmmu::xen
