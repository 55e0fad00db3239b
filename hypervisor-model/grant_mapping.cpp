#include "hypervisor-model/grant_mapping.h"

#include "hypervisor-model/entry_ref.h"
#include "hypervisor-model/machine/page_walk.h"
#include "hypervisor-model/page_type.h"

namespace pvmmu::xen {
namespace {

/// The entry of a mapping, as it is before it is adjusted.
pte_t grant_pte(const machine& m, mfn_t frame, u32 flags) {
  u64 pte_flags = PAGE_PRESENT | PAGE_ACCESSED | PAGE_DIRTY | PAGE_NX | (m.config().debug_build ? PAGE_GNTTAB : 0);
  if (flags & GNTMAP_application_map) pte_flags |= PAGE_USER;
  if (!(flags & GNTMAP_readonly)) pte_flags |= PAGE_RW;
  constexpr unsigned avail_shift = 9;
  pte_flags |= (u64{flags >> GNTMAP_guest_avail0} << avail_shift) & PAGE_AVAIL;
  return make_pte(frame, pte_flags);
}

struct l1_entry {
  mfn_t table;
  unsigned slot;
};

/// What `addr` means: an entry's machine address, or the virtual address that it maps.
std::optional<l1_entry> find_entry(machine& m, const vcpu& curr, u64 addr, u32 flags) {
  if (flags & GNTMAP_contains_pte) {
    if (addr % sizeof(pte_t) != 0) return std::nullopt;  // it would write to two entries
    return l1_entry{maddr_to_mfn({addr}), static_cast<unsigned>((addr & PAGE_OFFSET_MASK) / sizeof(pte_t))};
  }
  const auto table = map_guest_l1(m, curr.guest_table, addr);
  if (!table) return std::nullopt;
  return l1_entry{*table, table_slot(addr, 1)};
}

/// Gives the entry to `change`, which says whether it takes it, while its table is locked as a live L1. What was there
/// before; nothing if it was not taken.
template <class Change>
std::optional<pte_t> change_entry(machine& m, vcpu& curr, const l1_entry& entry, Change change) {
  page_info* const pg = get_page_from_mfn(m, entry.table, *curr.dom);
  if (!pg) return std::nullopt;
  std::optional<pte_t> old;
  if (page_lock(*pg)) {
    const pte_t was = m.words(entry.table)[entry.slot];
    if (same_type(pg->type_info, PGT_l1_page_table) && change(was)) old = was;
    page_unlock(*pg);
  }
  put_page(m, *pg);
  return old;
}

}  // namespace

grant_status create_grant_pv_mapping(machine& m, vcpu& curr, u64 addr, mfn_t frame, u32 flags) {
  const auto entry = find_entry(m, curr, addr, flags);
  if (!entry) return GNTST_general_error;
  const pte_t nl1e = adjust_guest_entry(m, 1, grant_pte(m, frame, flags));
  const auto old = change_entry(m, curr, *entry, [&](pte_t) {
    m.write_pte(entry->table, entry->slot, nl1e);
    return true;
  });
  if (!old) return GNTST_general_error;
  put_page_from_l1e(m, *old);
  return GNTST_okay;
}

grant_status replace_grant_pv_mapping(machine& m, vcpu& curr, u64 addr, mfn_t frame, u32 flags) {
  const auto entry = find_entry(m, curr, addr, flags);
  if (!entry) return GNTST_general_error;
  const pte_t expected = grant_pte(m, frame, flags);
  const auto old = change_entry(m, curr, *entry, [&](pte_t was) {
    if (pte_mfn(was) != frame || ((was ^ expected) & (PAGE_PRESENT | PAGE_RW)) != 0) return false;
    m.write_pte(entry->table, entry->slot, 0);
    return true;
  });
  return old ? GNTST_okay : GNTST_general_error;
}

}  // namespace pvmmu::xen
