#include "hypervisor-model/audit_references.h"

#include <algorithm>

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
  return std::ranges::any_of(m.domains(), [](const auto& d) { return d->privileged; });
}

class reference_reader {
 public:
  reference_reader(machine& m, reference_visitor& visitor)
      : m_(m), visitor_(visitor), foreign_frames_(somebody_may_map_foreign_frames(m)) {}

  void run() {
    for (const auto& d : m_.domains()) list_pages(*d);
    list_pages(m_.dom_xen());
    std::ranges::sort(tables_);
    for (const mfn_t table : tables_) read_table(table);
    for (const auto& d : m_.domains()) {
      for (const auto& v : d->vcpus) read_vcpu(*v);
      read_grants(*d);
    }
    for (const mfn_t mfn : m_.lost_references) visitor_.on_reference(mfn, {.kind = holder_kind::lost});
  }

 private:
  void list_pages(const domain& d);
  void read_table(mfn_t table);
  void read_l1_entry(holder h);
  void read_upper_entry(holder h, bool general_only);
  void read_vcpu(const vcpu& v);
  void read_old_guest_table(const vcpu& v);
  void read_grants(const domain& d);

  template <class... Args>
  void find(const char* invariant, mfn_t mfn, fmt::format_string<Args...> format, Args&&... args) {
    visitor_.on_finding({invariant, mfn, fmt::format(format, std::forward<Args>(args)...)});
  }

  machine& m_;
  reference_visitor& visitor_;
  bool foreign_frames_;
  std::vector<mfn_t> tables_;  ///< that hold entries: only what has an owner does
};

void reference_reader::list_pages(const domain& d) {
  for (u32 n = d.page_list; n != 0; n = m_.page({n}).next) {
    const page_info& pg = m_.page({n});
    if (!visitor_.on_owned({n})) return find("I10", {n}, "on a page list twice, last on that of d{}", d.domid);
    if (pg.owner != d.owner()) find("I10", {n}, "on the page list of d{}, but owner is {:#x}", d.domid, pg.owner);
    if (table_level(pg.type_info) != 0 && (pg.type_info & (PGT_validated | PGT_partial))) tables_.push_back({n});
  }
}

void reference_reader::read_table(mfn_t table) {
  const page_info& pg = m_.page(table);
  const domain* const owner = m_.page_owner(pg);
  const unsigned level = table_level(pg.type_info);
  const unsigned held = slots_held(pg);
  const bool half_held = (pg.type_info & PGT_partial) && pg.partial_set() && held < entries_per_table;
  holder h{.kind = holder_kind::table_entry,
           .domid = owner ? owner->domid : DOMID_INVALID,
           .table = table,
           .level = static_cast<u8>(level)};
  for (h.slot = 0; h.slot < held + (half_held ? 1 : 0); ++h.slot) {
    h.entry = m_.words(table)[h.slot];
    if (!present(h.entry) || (level == 4 && !is_guest_l4_slot(h.slot))) {
      if (h.slot == held) find("I4", table, "slot {} holds a reference but is not present", h.slot);
      continue;
    }
    if (h.entry & disallowed(owner, level))
      find("I6", table, "L{} slot {} has forbidden flags {:06x}", level, h.slot, pte_flags(h.entry));
    if (h.slot < held && !is_adjusted(level, h.entry))
      find("I6", table, "L{} slot {} is not adjusted: {:016x}", level, h.slot, h.entry);
    if (level == 1) {
      read_l1_entry(h);
    } else {
      read_upper_entry(h, h.slot == held);
    }
  }
}

void reference_reader::read_l1_entry(holder h) {
  const mfn_t target = pte_mfn(h.entry);
  if (!m_.mfn_valid(target) || m_.page(target).owner == m_.dom_io().owner()) return;  // MMIO: no references
  const owner_t owner = m_.page(target).owner;
  const bool foreign = owner != m_.page(h.table).owner && owner != m_.dom_xen().owner();
  if (owner == owner_none || (foreign && !foreign_frames_))
    find("I6", h.table, "L1 slot {} maps mfn {:#x} of owner {:#x}", h.slot, target.n, owner);
  h.typed = (h.entry & PAGE_RW) != 0;
  if (h.typed) h.type = PGT_writable_page;
  visitor_.on_reference(target, h);
}

void reference_reader::read_upper_entry(holder h, bool general_only) {
  const mfn_t target = pte_mfn(h.entry);
  const unsigned level = h.level;
  if (!m_.mfn_valid(target))
    return find("I6", h.table, "L{} slot {} names mfn {:#x}, which is no memory", level, h.slot, target.n);
  const page_info& pg = m_.page(target);
  const bool linear = table_level(pg.type_info) == level;
  if (linear && (h.entry & PAGE_RW))
    find("I6", h.table, "L{} slot {} is a writable linear entry to mfn {:#x}", level, h.slot, target.n);
  if (target == h.table) return;  // a table's entry to itself holds nothing
  if (!general_only) {
    if (pg.owner != m_.page(h.table).owner)
      find("I6", h.table, "L{} slot {} names mfn {:#x} of owner {:#x}", level, h.slot, target.n, pg.owner);
    if ((!linear && table_level(pg.type_info) != level - 1) || !(pg.type_info & PGT_validated))
      find("I6", h.table, "L{} slot {} names mfn {:#x}, whose type is {:016x}", level, h.slot, target.n, pg.type_info);
    h.typed = true;
    h.linear = linear;
    h.type = table_type(linear ? level : level - 1);
  }
  visitor_.on_reference(target, h);
}

void reference_reader::read_vcpu(const vcpu& v) {
  const auto hold = [&](mfn_t mfn, holder_kind kind, u64 type, u32 slot) {
    if (mfn.n == 0) return;
    visitor_.on_reference(
        mfn, {.kind = kind, .typed = true, .type = type, .domid = v.dom->domid, .vcpu = v.id, .slot = slot});
  };
  hold(v.guest_table, holder_kind::kernel_root, PGT_l4_page_table, 0);
  hold(v.guest_table_user, holder_kind::user_root, PGT_l4_page_table, 0);
  for (u32 i = 0; i < v.gdt_frames.size(); ++i) hold(v.gdt_frames[i], holder_kind::gdt, PGT_seg_desc_page, i);
  for (u32 i = 0; i < v.ldt_frames.size(); ++i) hold(v.ldt_frames[i], holder_kind::ldt, PGT_seg_desc_page, i);
  if (v.old_guest_table) read_old_guest_table(v);
}

void reference_reader::read_old_guest_table(const vcpu& v) {
  const page_info& old = *v.old_guest_table;
  holder h{.kind = holder_kind::old_guest_table, .domid = v.dom->domid, .vcpu = v.id};
  if (!v.old_guest_table_partial) {
    h.typed = true;
    h.type = old.type_info & PGT_type_mask;
    h.linear = v.old_guest_ptpg && same_type(v.old_guest_ptpg->type_info, old.type_info);
    if (h.linear) h.table = m_.mfn_of(*v.old_guest_ptpg);
  }
  visitor_.on_reference(m_.mfn_of(old), h);
}

/// What is mapped for devices holds references of its own; what is mapped for the processor shows in the L1s.
void reference_reader::read_grants(const domain& d) {
  for (u32 handle = 0; handle < d.grants.maptrack.size(); ++handle) {
    const grant_mapping& map = d.grants.maptrack[handle];
    if (!(map.flags & GNTMAP_device_map)) continue;
    const bool writable = !(map.flags & GNTMAP_readonly);
    visitor_.on_reference(m_.find_domain(map.domid)->grants.active[map.ref].mfn,
                          {.kind = holder_kind::device_grant,
                           .typed = writable,
                           .type = writable ? PGT_writable_page : PGT_none,
                           .domid = d.domid,
                           .slot = map.ref,
                           .granter = map.domid,
                           .handle = handle});
  }
}

}  // namespace

void visit_references(machine& m, reference_visitor& visitor) { reference_reader(m, visitor).run(); }

bool is_shared_by_xen(machine& m, mfn_t mfn) {
  const page_info& pg = m.page(mfn);
  return (pg.count_info & PGC_xen_heap) != 0 || pg.owner == m.dom_xen().owner();
}

void visit_marks(machine& m, mfn_t mfn, reference_visitor& visitor) {
  const page_info& pg = m.page(mfn);
  const u64 type = pg.type_info & PGT_type_mask;
  if (!is_free(pg.count_info) && (pg.count_info & PGC_allocated))
    visitor.on_reference(mfn, {.kind = holder_kind::allocation});
  if (pg.type_info & PGT_pinned) visitor.on_reference(mfn, {.kind = holder_kind::pin, .typed = true, .type = type});
  if (pg.type_info & PGT_partial)
    visitor.on_reference(mfn, {.kind = holder_kind::partial, .typed = true, .type = type});
  if (is_shared_by_xen(m, mfn))
    visitor.on_reference(mfn, {.kind = holder_kind::shared_by_xen, .general = false, .typed = true, .type = type});
}

}  // namespace pvmmu::xen
