#include "hypervisor-model/audit.h"

#include <algorithm>
#include <tuple>
#include <unordered_set>

#include "hypervisor-model/audit_recount.h"

namespace pvmmu::xen {
namespace {

class auditor {
 public:
  explicit auditor(machine& m) : m_(m) {}
  std::vector<audit_finding> run();

 private:
  void check_frame(mfn_t mfn, const reference_sum& sum);
  void check_types(mfn_t mfn, const reference_sum& sum);
  void check_table(mfn_t mfn, const reference_sum& sum);
  void check_lifecycle(mfn_t mfn, const reference_sum& sum);
  void check_free_frames(const recount& seen);
  void check_dying(const domain& d);
  void check_xens_slots(mfn_t root);
  void walk_writable(mfn_t table, unsigned level);
  template <class... Args>
  void find(const char* invariant, mfn_t mfn, fmt::format_string<Args...> format, Args&&... args) {
    findings_.push_back({invariant, mfn, fmt::format(format, std::forward<Args>(args)...)});
  }

  machine& m_;
  std::vector<audit_finding> findings_;
  std::unordered_set<u64> walked_;  ///< mfn and level of the tables that a walk has been through
};

bool is_protected(u64 type_info) {
  const u64 type = type_info & PGT_type_mask;
  return table_level(type_info) != 0 || type == PGT_seg_desc_page;
}

void auditor::check_types(mfn_t mfn, const reference_sum& sum) {
  const page_info& pg = m_.page(mfn);
  const u64 own_type = pg.type_info >> 61;
  for (u64 type = 0; type < sum.typed.size(); ++type) {
    if (type == own_type || sum.typed[type] == 0) continue;
    const bool writable_table = type << 61 == PGT_writable_page && is_protected(pg.type_info);
    find(writable_table ? "I3" : "I2", mfn, "{} references as type {}, but the type is {:016x}", sum.typed[type], type,
         pg.type_info);
  }
  const u64 expected = sum.typed[own_type];
  if (pg.type_count() != expected) {
    find("I2", mfn, "type count {} but {} references, type {:016x}", pg.type_count(), expected, pg.type_info);
  }
  if (pg.type_count() > 0 && own_type == 0 && !is_shared_by_xen(m_, mfn)) {
    find("I2", mfn, "type count {} without a type", pg.type_count());
  }
}

void auditor::check_table(mfn_t mfn, const reference_sum& sum) {
  const page_info& pg = m_.page(mfn);
  const unsigned level = table_level(pg.type_info);
  const bool validated = (pg.type_info & PGT_validated) != 0;
  const bool partial = (pg.type_info & PGT_partial) != 0;
  if (pg.type_info & PGT_locked) find("I4", mfn, "locked between calls: {:016x}", pg.type_info);
  if (partial && (validated || pg.type_count() != 1 || level < 2 || pg.nr_validated_ptes() >= entries_per_table)) {
    find("I4", mfn, "partial at {} entries with type {:016x}", pg.nr_validated_ptes(), pg.type_info);
  }
  if ((pg.type_info & PGT_pinned) && (level == 0 || !validated || pg.type_count() == 0)) {
    find("I5", mfn, "pinned with type {:016x}", pg.type_info);
  }
  if (level == 0 || pg.type_count() == 0) return;
  if (!validated && !partial) find("I6", mfn, "in use but neither validated nor partial: {:016x}", pg.type_info);
  const s32 linear = pg.linear_pt_count();
  if (level > 1 && (std::max(linear, 0) != sum.linear_out || std::max(-linear, 0) != sum.linear_in)) {
    find("I7", mfn, "linear count {}, but {} entries out and {} in", linear, sum.linear_out, sum.linear_in);
  }
  if (level == 4 && validated) check_xens_slots(mfn);
}

void auditor::check_lifecycle(mfn_t mfn, const reference_sum& sum) {
  const page_info& pg = m_.page(mfn);
  const bool allocated = !is_free(pg.count_info) && (pg.count_info & PGC_allocated) != 0;
  if (allocated && (pg.ref_count() == 0 || pg.owner == owner_none)) {
    find("I10", mfn, "allocated with count {} and owner {:#x}", pg.ref_count(), pg.owner);
  }
  if (sum.listed && pg.ref_count() == 0) find("I10", mfn, "on a page list with count 0");
  const bool is_free = (pg.count_info & PGC_state) == PGC_state_free;
  if (pg.owner == owner_none && (pg.ref_count() != 0 || pg.type_count() != 0 || (!is_free && pg.type_info != 0))) {
    find("I10", mfn, "nobody's, but count {:016x}, type {:016x}", pg.count_info, pg.type_info);
  }
  if (pg.owner != owner_none && pg.ref_count() != 0 && !m_.page_owner(pg)) {
    find("I11", mfn, "count {:016x}, but its owner {:#x} is gone", pg.count_info, pg.owner);
  }
}

/// A domain that has ended keeps the frames that others still refer to, and holds nothing itself.
void auditor::check_dying(const domain& d) {
  for (u32 n = d.page_list; n != 0; n = m_.page({n}).next) {
    const page_info& pg = m_.page({n});
    const bool table = table_level(pg.type_info) != 0 && pg.type_count() != 0;
    if (table || (pg.count_info & PGC_allocated) || (pg.type_info & PGT_pinned))
      find("I11", {n}, "d{} has ended, but count {:016x}, type {:016x}", d.domid, pg.count_info, pg.type_info);
  }
  for (const auto& v : d.vcpus) {
    for (const mfn_t held : {v->guest_table, v->guest_table_user})
      if (held.n != 0) find("I11", held, "d{}v{} has ended, but holds it", d.domid, v->id);
  }
}

void auditor::check_frame(mfn_t mfn, const reference_sum& sum) {
  const page_info& pg = m_.page(mfn);
  if (pg.ref_count() != sum.general) find("I1", mfn, "count {} but {} references", pg.ref_count(), sum.general);
  check_types(mfn, sum);
  check_table(mfn, sum);
  check_lifecycle(mfn, sum);
}

/// Frames below the highest one seen that are on nobody's list and that nothing refers to.
void auditor::check_free_frames(const recount& seen) {
  u64 highest = 0;
  for (const auto& [mfn, sum] : seen.sums()) highest = std::max(highest, mfn.n);
  for (mfn_t mfn{0}; mfn.n < highest; ++mfn) {
    if (m_.mfn_valid(mfn) && m_.page(mfn).owner != m_.dom_io().owner() && !seen.sums().contains(mfn)) {
      check_frame(mfn, seen.sum_of(mfn));
    }
  }
}

void auditor::check_xens_slots(mfn_t root) {
  const domain* const owner = m_.page_owner(m_.page(root));
  for (unsigned slot = first_xen_slot; slot <= last_xen_slot; ++slot) {
    const pte_t entry = m_.words(root)[slot];
    const pte_t expected =
        slot == perdomain_slot && owner ? owner->perdomain_l4e : m_.xen_l4_slots[slot - first_xen_slot];
    const bool no_m2p = slot == 256 && entry == 0;
    const bool right = slot == 258 ? present(entry) && pte_mfn(entry) == root : entry == expected || no_m2p;
    if (!right) find("I12", root, "Xen's slot {} is {:016x}", slot, entry);
  }
}

/// Follows writable entries only: what it reaches, a guest can write to.
void auditor::walk_writable(mfn_t table, unsigned level) {
  if (!walked_.insert(table.n * 8 + level).second) return;
  for (unsigned slot = 0; slot < entries_per_table; ++slot) {
    const pte_t entry = m_.words(table)[slot];
    const mfn_t target = pte_mfn(entry);
    if (level == 4 && !is_guest_l4_slot(slot)) continue;
    if (!present(entry) || !(entry & PAGE_RW) || !m_.mfn_valid(target)) continue;
    if (level > 1) {
      walk_writable(target, level - 1);
    } else if (m_.page(target).type_count() > 0 && is_protected(m_.page(target).type_info)) {
      find("I3", target, "a guest can write to it through slot {} of mfn {:#x}", slot, table.n);
    }
  }
}

std::vector<audit_finding> auditor::run() {
  const recount seen(m_, findings_);
  for (const auto& [mfn, others] : seen.sums()) check_frame(mfn, seen.sum_of(mfn));
  check_free_frames(seen);
  for (const auto& d : m_.domains()) {
    if (d->is_dying) check_dying(*d);
    for (const auto& v : d->vcpus) {
      for (const mfn_t root : {v->guest_table, v->guest_table_user}) {
        if (root.n == 0) continue;
        const u64 type_info = m_.page(root).type_info;
        if (table_level(type_info) != 4 || !(type_info & PGT_validated)) {
          find("I12", root, "a vCPU's root with type {:016x}", type_info);
        }
        walk_writable(root, 4);
      }
    }
  }
  std::ranges::sort(findings_, {}, [](const audit_finding& f) { return std::tie(f.mfn, f.invariant, f.text); });
  return std::move(findings_);
}

}  // namespace

std::vector<audit_finding> audit(machine& m) { return auditor(m).run(); }

}  // namespace pvmmu::xen
