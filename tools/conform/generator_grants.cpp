// Grants in random programs: of the program's own frames, mapped in the part of the window that no access reaches or by
// an entry of any of its L1s, and unmapped, mostly where they are.

#include "tools/conform/generator_program.h"

namespace pvmmu::conform {
namespace {

using namespace lab;

constexpr u32 nr_grants = 3;
constexpr u32 first_page = 16, pages = 8;  ///< of the window

}  // namespace

void program_maker::begin_grants() {
  p_.nr_grants = nr_grants;
  for (u16 i = 0; i < nr_grants; ++i)
    p_.contents.push_back({.frame = probe::name_grant_table, .slot = i, .value = grant_entry()});
}

word program_maker::grant_entry() {
  u64 flags = one_in(6) ? GTF_permit_access | GTF_readonly : GTF_permit_access;
  if (one_in(12)) flags = below(512);
  const domid_t to = one_in(16) ? probe::foreign_domid : domid_t{0};
  return grant_of(any_frame(), static_cast<u16>(flags), to);
}

map_grant_ref program_maker::map_grant() {
  map_grant_ref c;
  const u64 n = 1 + below(3);
  for (u64 i = 0; i < n; ++i) {
    grant_map_entry e{.flags = one_in(3) ? static_cast<u32>(below(32)) : u32{GNTMAP_host_map}};
    if (one_in(4)) e.flags |= GNTMAP_readonly;
    const u32 page = first_page + static_cast<u32>(below(pages));
    e.host_addr = window_va(page);
    if (e.flags & GNTMAP_contains_pte) {
      const u32 l1 = one_in(2) ? u32{probe::name_window_l1} : frame_of(role::l1);
      e.host_addr = entry_of(l1, page, one_in(16) ? 2 : 0);
    }
    e.ref = ref_of_grant(static_cast<u32>(below(nr_grants)));
    if (one_in(24)) e.ref = plain_ref(~u32{0});
    if (one_in(24)) e.dom = one_of<domid_t>({DOMID_SELF, probe::foreign_domid, 77});
    mapped_.push_back({static_cast<u32>(p_.calls.size()), static_cast<u32>(i), e.host_addr});
    c.uop.push_back(e);
  }
  c.count = static_cast<u32>(n);
  if (one_in(20)) ++c.count;
  if (one_in(40)) c.count |= u32{1} << 31;
  return c;
}

unmap_grant_ref program_maker::unmap_grant() {
  unmap_grant_ref c;
  const u64 n = 1 + below(2);
  for (u64 i = 0; i < n; ++i) {
    const granted& g = mapped_[below(mapped_.size())];
    grant_unmap_entry e{.host_addr = g.host_addr, .handle = handle_of(g.call, g.entry)};
    if (one_in(8)) e.host_addr = window_va(first_page + static_cast<u32>(below(pages)));
    if (one_in(4)) e.host_addr = plain(0);
    if (one_in(2)) e.dev_bus_addr = pte_to(any_frame(), 0);
    if (one_in(24)) e.handle = plain(below(300000) + 300000);
    c.uop.push_back(e);
  }
  c.count = static_cast<u32>(n);
  return c;
}

/// A map, an unmap, or a change of a grant, which is a word of a frame that is writable.
call program_maker::grant_call() {
  if (one_in(6)) {
    const word at = entry_of_grant(static_cast<u32>(below(nr_grants)));
    const word value = grant_entry();
    return lab::mmu_update{.ureqs = {{at, value}}, .count = 1};
  }
  if (!mapped_.empty() && !one_in(3)) return unmap_grant();
  return map_grant();
}

}  // namespace pvmmu::conform
