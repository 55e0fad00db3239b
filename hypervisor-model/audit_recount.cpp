#include "hypervisor-model/audit_recount.h"

namespace pvmmu::xen {
namespace {

/// Flags that no present entry of a validated table may have (xen 4.17 asm/x86_64/page.h: Lx_DISALLOW_MASK). A debug
/// build's bit 62 is none of them: grants are mapped with it.
u64 disallowed(const domain* owner, unsigned level) {
  if (level > 1) return PAGE_PWT | PAGE_PCD | PAGE_PSE | PAGE_GLOBAL;
  return owner && owner->may_map_devices() ? 0 : PAGE_PWT | PAGE_PCD | PAGE_PAT;
}

/// What Xen adds to the entries of a 64-bit guest (xen 4.17 mm.c: adjust_guest_lXe).
bool is_adjusted(unsigned level, pte_t entry) {
  if ((entry & PAGE_USER) == 0) return false;
  if (level == 1) return (entry & (PAGE_GUEST_KERNEL | PAGE_GLOBAL)) != 0;
  return level < 4 || (entry & PAGE_ACCESSED) != 0;
}

/// The slots whose references a table holds: all of them once validated, a first part of them while partial.
unsigned slots_held(const page_info& pg) {
  if (pg.type_info & PGT_validated) return entries_per_table;
  return pg.type_info & PGT_partial ? pg.nr_validated_ptes() : 0;
}

bool somebody_may_map_foreign_frames(const machine& m) {
  for (const auto& d : m.domains()) {
    if (d->privileged) return true;
  }
  return false;
}

}  // namespace

recount::recount(machine& m, std::vector<audit_finding>& findings) : m_(m), findings_(findings) {
  for (const auto& d : m_.domains()) list_pages(*d);
  list_pages(m_.dom_xen());
  // Reading a table adds frames to the sums, but never a table that is not listed already: tables have owners.
  std::vector<mfn_t> tables;
  for (const auto& [mfn, sum] : sums_) {
    const page_info& pg = m_.page(mfn);
    if (table_level(pg.type_info) != 0 && pg.type_count() > 0) tables.push_back(mfn);
  }
  for (const mfn_t table : tables) read_table(table);
  for (const auto& d : m_.domains()) {
    for (const auto& v : d->vcpus) read_vcpu(*v);
    read_grants(*d);
    check_pins(*d);
  }
  for (const mfn_t lost : m_.lost_references) ++sums_[lost].general;
}

void recount::list_pages(const domain& d) {
  for (u32 n = d.page_list; n != 0; n = m_.page({n}).next) {
    reference_sum& sum = sums_[{n}];
    if (sum.listed) return find("I10", {n}, fmt::format("on a page list twice, last on that of d{}", d.domid));
    sum.listed = true;
    if (m_.page({n}).owner != d.owner()) {
      find("I10", {n}, fmt::format("on the page list of d{}, but owner is {:#x}", d.domid, m_.page({n}).owner));
    }
  }
}

void recount::read_table(mfn_t table) {
  const page_info& pg = m_.page(table);
  const unsigned level = table_level(pg.type_info);
  const unsigned held = slots_held(pg);
  const bool half_held = (pg.type_info & PGT_partial) && pg.partial_set() && held < entries_per_table;
  for (unsigned slot = 0; slot < held + (half_held ? 1 : 0); ++slot) {
    const pte_t entry = m_.words(table)[slot];
    if (!present(entry) || (level == 4 && !is_guest_l4_slot(slot))) {
      if (slot == held) find("I4", table, fmt::format("slot {} holds a reference but is not present", slot));
      continue;
    }
    if (entry & disallowed(m_.page_owner(pg), level)) {
      find("I6", table, fmt::format("L{} slot {} has forbidden flags {:06x}", level, slot, pte_flags(entry)));
    }
    if (slot < held && !is_adjusted(level, entry)) {
      find("I6", table, fmt::format("L{} slot {} is not adjusted: {:016x}", level, slot, entry));
    }
    if (level == 1) {
      read_l1_entry(table, slot, entry);
    } else {
      read_upper_entry(table, level, slot, entry, slot == held);
    }
  }
}

void recount::read_l1_entry(mfn_t table, unsigned slot, pte_t entry) {
  const mfn_t target = pte_mfn(entry);
  if (!m_.mfn_valid(target) || m_.page(target).owner == m_.dom_io().owner()) return;  // MMIO: no references
  const owner_t owner = m_.page(target).owner;
  const bool foreign = owner != m_.page(table).owner && owner != m_.dom_xen().owner();
  if (owner == owner_none || (foreign && !somebody_may_map_foreign_frames(m_))) {
    find("I6", table, fmt::format("L1 slot {} maps mfn {:#x} of owner {:#x}", slot, target.n, owner));
  }
  if (entry & PAGE_RW) {
    hold(target, PGT_writable_page);
  } else {
    ++sums_[target].general;
  }
}

void recount::read_upper_entry(mfn_t table, unsigned level, unsigned slot, pte_t entry, bool general_only) {
  const mfn_t target = pte_mfn(entry);
  if (!m_.mfn_valid(target)) {
    return find("I6", table, fmt::format("L{} slot {} names mfn {:#x}, which is no memory", level, slot, target.n));
  }
  const page_info& pg = m_.page(target);
  const bool linear = table_level(pg.type_info) == level;
  if (linear && (entry & PAGE_RW)) {
    find("I6", table, fmt::format("L{} slot {} is a writable linear entry to mfn {:#x}", level, slot, target.n));
  }
  if (target == table) return;  // a table's entry to itself holds nothing
  if (general_only) {
    ++sums_[target].general;
    return;
  }
  if (pg.owner != m_.page(table).owner) {
    find("I6", table, fmt::format("L{} slot {} names mfn {:#x} of owner {:#x}", level, slot, target.n, pg.owner));
  }
  if ((!linear && table_level(pg.type_info) != level - 1) || !(pg.type_info & PGT_validated)) {
    find("I6", table,
         fmt::format("L{} slot {} names mfn {:#x}, whose type is {:016x}", level, slot, target.n, pg.type_info));
  }
  hold(target, table_type(linear ? level : level - 1));
  if (linear) {
    ++sums_[table].linear_out;
    ++sums_[target].linear_in;
  }
}

void recount::read_vcpu(const vcpu& v) {
  for (const mfn_t root : {v.guest_table, v.guest_table_user}) {
    if (root.n != 0) hold(root, PGT_l4_page_table);
  }
  for (const mfn_t frame : v.gdt_frames) {
    if (frame.n != 0) hold(frame, PGT_seg_desc_page);
  }
  for (const mfn_t frame : v.ldt_frames) {
    if (frame.n != 0) hold(frame, PGT_seg_desc_page);
  }
  if (!v.old_guest_table) return;
  const mfn_t old = m_.mfn_of(*v.old_guest_table);
  ++sums_[old].general;
  if (v.old_guest_table_partial) return;
  ++sums_[old].typed[v.old_guest_table->type_info >> 61];
  if (v.old_guest_ptpg && same_type(v.old_guest_ptpg->type_info, v.old_guest_table->type_info)) {
    ++sums_[m_.mfn_of(*v.old_guest_ptpg)].linear_out;
    ++sums_[old].linear_in;
  }
}

/// What is mapped for devices holds references of its own; what is mapped for the processor shows in the L1s.
void recount::read_grants(const domain& d) {
  for (const grant_mapping& map : d.grants.maptrack) {
    if (!(map.flags & GNTMAP_device_map)) continue;
    const mfn_t mfn = m_.find_domain(map.domid)->grants.active[map.ref].mfn;
    if (map.flags & GNTMAP_readonly) {
      ++sums_[mfn].general;
    } else {
      hold(mfn, PGT_writable_page);
    }
  }
}

void recount::check_pins(const domain& granter) {
  std::unordered_map<u32, u32> pins;
  for (const auto& d : m_.domains()) {
    for (const grant_mapping& map : d->grants.maptrack) {
      if (map.flags != 0 && map.domid == granter.domid) pins[map.ref] += pin_increment(map.flags);
    }
  }
  for (u32 ref = 0; ref < granter.grants.active.size(); ++ref) {
    const active_grant_entry& act = granter.grants.active[ref];
    const auto found = pins.find(ref);
    const u32 expected = found == pins.end() ? 0 : found->second;
    if (act.pin != expected)
      find("I1", act.mfn,
           fmt::format("grant {} of d{} is pinned {:08x}, mapped {:08x}", ref, granter.domid, act.pin, expected));
  }
}

void recount::hold(mfn_t mfn, u64 type) {
  reference_sum& sum = sums_[mfn];
  ++sum.general;
  ++sum.typed[type >> 61];
}

void recount::find(const char* invariant, mfn_t mfn, std::string text) {
  findings_.push_back({invariant, mfn, std::move(text)});
}

}  // namespace pvmmu::xen
