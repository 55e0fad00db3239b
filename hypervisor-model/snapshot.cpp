#include "hypervisor-model/snapshot.h"

#include <algorithm>
#include <cassert>

#include "hypervisor-model/audit_recount.h"

namespace pvmmu::xen {
namespace {

constexpr unsigned linear_pt_slot = 258;

bool holds_table(const frame_record& state) {
  return table_level(state.type_info) != 0 && (state.type_info & PGT_count_mask) != 0;
}

void set_owner(machine& m, domain& d, mfn_t mfn, frame_owner owner) {
  page_info& pg = m.page(mfn);
  pg.owner = owner_none;  // a new machine has given its first frames to dom_io
  switch (owner) {
    case frame_owner::nobody: return;
    case frame_owner::the_domain: m.adopt_page(d, mfn); return;
    case frame_owner::dom_io: pg.owner = m.dom_io().owner(); return;
    case frame_owner::dom_xen: pg.owner = m.dom_xen().owner(); return;
    case frame_owner::invalid: pg.owner = owner_hole; return;
  }
}

frame_owner owner_in(machine& m, const domain& d, const page_info& pg) {
  if (pg.owner == owner_hole) return frame_owner::invalid;
  if (pg.owner == d.owner()) return frame_owner::the_domain;
  if (pg.owner == m.dom_io().owner()) return frame_owner::dom_io;
  if (pg.owner == m.dom_xen().owner()) return frame_owner::dom_xen;
  return frame_owner::nobody;
}

}  // namespace

domain& load_domain(machine& m, u32 vcpus) {
  domain& d = m.add_domain(domain_kind::dom0);
  d.iomem_caps.push_back({{0}, INVALID_MFN});
  for (vcpu_id_t id = 0; id < vcpus; ++id) {
    d.vcpus.push_back(std::make_unique<vcpu>());
    d.vcpus.back()->id = id;
    d.vcpus.back()->dom = &d;
  }
  return d;
}

void load_frames(machine& m, domain& d, mfn_t first, u64 frames, const frame_record& state) {
  assert(first.n <= m.config().frames && frames <= m.config().frames - first.n);
  for (u64 n = first.n; n < first.n + frames; ++n) {
    page_info& pg = m.page({n});
    pg.count_info = state.count_info;  // first: a frame of Xen's heap is none of the domain's memory
    set_owner(m, d, {n}, state.owner);
    pg.type_info = state.type_info;
    pg.aux = holds_table(state) ? state.aux : 0;
  }
}

void load_table(machine& m, mfn_t table, std::span<const pte_t, entries_per_table> words) {
  assert(table.n < m.config().frames);
  std::ranges::copy(words, m.words(table));
}

void load_roots(machine& m, vcpu& v, mfn_t kernel, mfn_t user) {
  v.guest_table = kernel;
  v.guest_table_user = user;
  if (kernel.n == 0) return;
  v.is_initialised = v.is_up = true;
  for (unsigned slot = first_xen_slot; slot <= last_xen_slot; ++slot) {
    const pte_t entry = m.words(kernel)[slot];
    if (slot == perdomain_slot) {
      v.dom->perdomain_l4e = entry;
    } else if (slot != linear_pt_slot) {
      m.xen_l4_slots[slot - first_xen_slot] = entry;
    }
  }
}

namespace {

/// The references that a frame must have at least, as a general and as a type count.
std::optional<std::string> too_few_references(const page_info& pg, const reference_sum& seen) {
  if (pg.ref_count() < seen.general)
    return fmt::format("count_info {:#018x}, but {} references are there", pg.count_info, seen.general);
  for (u64 type = 0; type < seen.typed.size(); ++type) {
    const u64 held = type == pg.type_info >> 61 ? pg.type_count() : 0;
    if (held < seen.typed[type])
      return fmt::format("type_info {:#018x}, but {} references as type {} are there", pg.type_info, seen.typed[type],
                         type);
  }
  return std::nullopt;
}

std::optional<std::string> impossible_state(const page_info& pg, const reference_sum& seen) {
  const unsigned level = table_level(pg.type_info);
  const bool validated = (pg.type_info & PGT_validated) != 0;
  const bool partial = (pg.type_info & PGT_partial) != 0;
  if (pg.type_info & PGT_locked) return "locked between calls";
  if (partial && (validated || level < 2 || pg.type_count() != 1 || pg.nr_validated_ptes() >= entries_per_table))
    return "partial, but no table that is validated in part";
  if (pg.type_count() != 0 && !validated && !partial) return "in use, but neither validated nor partial";
  if ((pg.type_info & PGT_pinned) && (level == 0 || !validated)) return "pinned, but no validated table";
  if (level != 0 && pg.type_count() != 0 && pg.linear_pt_count() != seen.linear_out - seen.linear_in)
    return fmt::format("linear count {}, but {} entries out and {} in", pg.linear_pt_count(), seen.linear_out,
                       seen.linear_in);
  return std::nullopt;
}

}  // namespace

std::optional<std::string> find_contradiction(machine& m) {
  std::vector<audit_finding> findings;
  const recount seen(m, findings);
  for (const auto& [mfn, others] : seen.sums()) {
    const page_info& pg = m.page(mfn);
    const reference_sum sum = seen.sum_of(mfn);
    auto wrong = impossible_state(pg, sum);
    if (!wrong) wrong = too_few_references(pg, sum);
    if (wrong) findings.push_back({"", mfn, *wrong});
  }
  if (findings.empty()) return std::nullopt;
  const auto& first = *std::ranges::min_element(findings, {}, &audit_finding::mfn);
  return fmt::format("mfn {:#x}: {}", first.mfn.n, first.text);
}

frame_record state_of(machine& m, const domain& d, mfn_t mfn) {
  const page_info& pg = m.page(mfn);
  frame_record state{owner_in(m, d, pg), pg.count_info, pg.type_info, 0};
  if (holds_table(state)) state.aux = pg.aux;
  return state;
}

}  // namespace pvmmu::xen
