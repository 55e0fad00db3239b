#include "tools/formats/direct_map.h"

#include "hypervisor-model/domain.h"

namespace pvmmu::tools {
namespace {

constexpr u64 PAGE_OFFSET = 0xffff888000000000;  // linux 6.1 page_64_types.h; PV kernels do not move it

std::optional<mfn_t> loaded_l4(const xen::machine& m) {
  for (const auto& d : m.domains())
    for (const auto& v : d->vcpus)
      if (v->guest_table.n != 0) return v->guest_table;
  return std::nullopt;
}

template <class Visit>
void for_each_present(const xen::machine& m, mfn_t table, const Visit& visit) {
  const u64* words = m.words(table);
  for (unsigned slot = 0; slot < entries_per_table; ++slot)
    if (present(words[slot]) && m.mfn_valid(pte_mfn(words[slot]))) visit(slot, pte_mfn(words[slot]));
}

}  // namespace

direct_map::direct_map(const xen::machine& m) {
  const auto l4 = loaded_l4(m);
  if (!l4) return;
  const pte_t l3 = m.words(*l4)[table_slot(PAGE_OFFSET, 4)];
  if (!present(l3) || !m.mfn_valid(pte_mfn(l3))) return;
  for_each_present(m, pte_mfn(l3), [&](u64 gib, mfn_t l2) {
    for_each_present(m, l2, [&](u64 chunk, mfn_t l1) {
      for_each_present(m, l1, [&](u64 page, mfn_t mfn) {
        pfns_.emplace(mfn.n, (gib * entries_per_table + chunk) * entries_per_table + page);
      });
    });
  });
}

std::optional<pfn_t> direct_map::mfn_to_pfn(mfn_t mfn) const {
  const auto at = pfns_.find(mfn.n);
  return at == pfns_.end() ? std::nullopt : std::optional(pfn_t{at->second});
}

}  // namespace pvmmu::tools
