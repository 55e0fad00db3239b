#include "tools/conform/model_side.h"

#include <algorithm>
#include <cassert>
#include <memory>
#include <stdexcept>

#include "hypervisor-model/domain_builder.h"
#include "hypervisor-model/grant_table.h"
#include "hypervisor-model/guest_access.h"
#include "hypervisor-model/hypercall.h"
#include "tools/conform/abi_call.h"
#include "tools/conform/handed_out.h"
#include "tools/conform/outcome_recorder.h"
#include "tools/conform/raw_grant_call.h"

namespace pvmmu::conform {
namespace {

/// The probe's own image on the model: no program sees it.
constexpr u64 probe_pages = 1024;
constexpr u64 probe_kernel_pages = 16;
constexpr u64 table_flags = PAGE_PRESENT | PAGE_RW | PAGE_USER | PAGE_ACCESSED | PAGE_DIRTY;
constexpr u64 bytes_per_l2_entry = u64{1} << 21;

/// The model's dom0 takes the first frames of the real one's image, with its answers: neither a program nor Xen's heap
/// ever has those.
std::vector<mfn_t> frames_for_the_probe(const lab::machine_facts& facts) {
  constexpr u64 xens = 8;  // what Xen shares with the two domains
  std::vector<mfn_t> frames;
  if (facts.start.p2m.empty() || facts.start.p2m.front().frames < probe_pages + xens) return frames;
  frames.reserve(probe_pages + xens);
  for (u64 i = 0; i < probe_pages + xens; ++i) frames.push_back(facts.start.p2m.front().mfn + i);
  return frames;
}

}  // namespace

model_side::model_side(const lab::machine_facts& facts, outcome_table* outcomes)
    : m_({.frames = facts.frames}), outcomes_(outcomes) {
  m_.xen_l4_slots = facts.xen_l4_slots;
  m_.mmio_ro_ranges = facts.mmio_ro;
  m_.offer_frames(frames_for_the_probe(facts));
  const auto built =
      xen::build_domain(m_, domain_config{.pages = probe_pages, .vcpus = 2, .kernel_pages = probe_kernel_pages});
  if (!built) throw std::invalid_argument(built.error());
  probe_ = m_.find_domain(built->domid);
  probe_->iomem_caps = facts.dom0_iomem;
  probe_->perdomain_l4e = facts.xen_l4_slots[xen::perdomain_slot - first_xen_slot];
  foreign_ = &m_.add_domain(domain_kind::domU);
  assert(foreign_->domid == probe::foreign_domid);
  foreign_->vcpus.push_back(std::make_unique<xen::vcpu>());
  foreign_->vcpus[0]->dom = foreign_;
  const auto foreign_grants = xen::gnttab_grow_table(m_, *foreign_);
  assert(foreign_grants && "the machine is bigger than the probe");
  probe_->grants = {};  // not the builder's, but where the real ones lie
  for (const mfn_t mfn : facts.grant_frames) {
    xen::share_xen_page_with_guest(m_, *probe_, mfn);
    xen::gnttab_use_frame(*probe_, mfn);
  }
  l4_before_ = facts.probe_l4;
  for (const xen::mfn_range& range : facts.holes)
    for (mfn_t mfn = range.first; mfn <= range.last && mfn.n < facts.frames; ++mfn)
      m_.page(mfn).owner = xen::owner_hole;
  for (const xen::mfn_range& range : facts.dom_xen) {
    for (mfn_t mfn = range.first; mfn <= range.last; ++mfn) {
      m_.adopt_page(m_.dom_xen(), mfn);
      // share_xen_page_with_privileged_guests, read-only (xen 4.17 mm.c:483); the M2P lies in Xen's heap.
      m_.page(mfn).count_info = xen::PGC_allocated | xen::PGC_xen_heap | 1;
      m_.page(mfn).type_info = xen::PGT_none | xen::PGT_validated | 1;
    }
  }
}

std::span<const u64, entries_per_table> model_side::words(mfn_t mfn) const {
  return std::span<const u64, entries_per_table>{m_.words(mfn), entries_per_table};
}

lab::program_answer model_side::run(const lab::program& p, const lab::program_answer& real) {
  lab::placement where = static_cast<const lab::placement&>(real);
  for (std::size_t name = p.nr_frames; name < where.frames.size(); ++name) where.frames[name] = std::nullopt;
  if (probe_l4_.n == 0) {
    take_place_of(where);
    adopt_shared_frames(where);
  }
  open_window(where);
  fill_frames(p, where);
  lab::program_answer a{where, lab::program_answer::state::ended, {}};
  for (std::size_t i = 0; i < p.calls.size(); ++i) {
    const lab::call& c = p.calls[i];
    std::vector<mfn_t> offered = status_frames_taken(p, i, real.calls);
    if (offered.empty() && i < real.calls.size()) offered = handed_out(c, real.calls[i]);
    m_.offer_frames(offered);
    lab::answer answer = make_call(c, where, a.calls);
    adopt(c, answer, where.frames);
    if (probe_->crashed) {
      a.how = lab::program_answer::state::crashed;
      return a;
    }
    a.calls.push_back(std::move(answer));
  }
  go_back();
  return a;
}

/// Puts the L4 and the L3s of the probe where the real ones lie: programs may name them and copy their entries.
void model_side::take_place_of(const lab::placement& where) {
  const mfn_t built_l4 = probe_->vcpus[0]->guest_table;
  for (unsigned slot = 0; slot < entries_per_table; ++slot) {
    const pte_t real = l4_before_[slot], built = m_.words(built_l4)[slot];
    if (!is_guest_l4_slot(slot) || (real & PAGE_PRESENT) == 0 || (built & PAGE_PRESENT) == 0) continue;
    const mfn_t l3 = pte_mfn(real);
    take_fresh_frame(*probe_, l3);
    std::copy_n(m_.words(pte_mfn(built)), entries_per_table, m_.words(l3));
    set_entry(built_l4, slot, real);
  }
  probe_l4_ = where.probe_l4;
  take_fresh_frame(*probe_, probe_l4_);
  for (unsigned slot = 0; slot < entries_per_table; ++slot)
    if (is_guest_l4_slot(slot)) m_.words(probe_l4_)[slot] = m_.words(built_l4)[slot];
  go_back();
  // As dom0's builder leaves it: so it stays a table while a program has loaded another.
  const std::array<mmuext_op_t, 1> pin{{{.cmd = MMUEXT_PIN_L4_TABLE, .arg1 = probe_l4_.n}}};
  const s64 pinned = hypercall_of_the_probe(mmuext_op_call{.uops = {pin}, .count = 1});
  assert(pinned == 0 && "the probe's own tables are valid");
}

/// What Xen shares with the domain, which may write there.
void model_side::adopt_shared_frames(const lab::placement& where) {
  xen::share_xen_page_with_guest(m_, *probe_, where.shared_info);
  m_.machphys_mfns = {where.m2p};
}

void model_side::take_fresh_frame(xen::domain& d, mfn_t mfn, bool untouched) {
  m_.adopt_page(d, mfn);
  xen::page_info& pg = m_.page(mfn);
  pg.count_info = xen::PGC_allocated | 1;
  pg.type_info = untouched ? 0 : xen::PGT_writable_page | xen::PGT_validated;
  std::fill_n(m_.words(mfn), entries_per_table, 0);
}

void model_side::open_window(const lab::placement& where) {
  const u64 number = (where.window_va - probe::first_window_va) / bytes_per_l2_entry;
  if (window_l3_ != where.window_l3) {
    window_l3_ = where.window_l3;
    take_fresh_frame(*probe_, window_l3_);
    set_entry(probe_l4_, probe::window_l4_slot, make_pte(window_l3_, table_flags));
    l4_before_[probe::window_l4_slot] = m_.words(probe_l4_)[probe::window_l4_slot];
  }
  if (window_l2_ != where.window_l2) {
    window_l2_ = where.window_l2;
    take_fresh_frame(*probe_, window_l2_);
    set_entry(window_l3_, static_cast<unsigned>(number / entries_per_table), make_pte(window_l2_, table_flags));
  }
  take_fresh_frame(*probe_, where.window_l1);
  set_entry(window_l2_, static_cast<unsigned>(number % entries_per_table), make_pte(where.window_l1, table_flags));
}

void model_side::fill_frames(const lab::program& p, const lab::placement& where) {
  const u32 first_untouched = p.nr_frames - p.nr_untouched;
  for (u32 i = 0; i < p.nr_frames; ++i) take_fresh_frame(*probe_, *where.frames[i], i >= first_untouched);
  for (const mfn_t mfn : where.foreign) take_fresh_frame(*foreign_, mfn);
  const std::vector<lab::answer> none;
  const names number{where, l4_before_, none};
  for (const lab::content& c : p.contents) {
    const bool grants = c.frame == probe::name_grant_table;
    u64* const words = m_.words(*where.frame(c.frame)) + (grants ? where.first_grant % probe::grants_per_frame : 0);
    for (unsigned k = 0; k < c.nr; ++k) words[c.slot + k] = number(c.value);
  }
}

lab::answer model_side::make_call(const lab::call& c, const lab::placement& where,
                                  const std::vector<lab::answer>& earlier) {
  const names number{where, l4_before_, earlier};
  xen::vcpu& curr = *probe_->vcpus[0];
  std::optional<outcome_recorder> recorder;
  if (outcomes_) recorder.emplace(m_, *outcomes_);
  if (const auto* access = std::get_if<lab::memory_access>(&c)) {
    const access_request request{.kind = static_cast<access_kind>(access->op),
                                 .bytes = access->bytes,
                                 .va = number(access->va),
                                 .value = number(access->value),
                                 .expected = number(access->expected)};
    const std::string_view name = recorder ? recorder->name_access(curr, request) : "";
    const access_result r = xen::guest_access(m_, curr, request);
    if (recorder) recorder->count_access(name, r);
    if (r.fault) return {.taken = lab::fault{static_cast<u16>(r.vector), r.error_code, r.cr2}};
    return {.value = access->op == probe::access_op::write ? 0 : r.value};
  }
  abi_call call{c, number};
  if (recorder) recorder->begin(call.get());
  const long result = xen::do_hypercall(m_, curr, call.get());
  return call.answer(result);
}

/// What the probe does after a program.
void model_side::go_back() {
  const std::array<mmuext_op_t, 3> ops{
      {{.cmd = MMUEXT_NEW_BASEPTR, .arg1 = probe_l4_.n}, {.cmd = MMUEXT_NEW_USER_BASEPTR}, {.cmd = MMUEXT_SET_LDT}}};
  const s64 result = hypercall_of_the_probe(mmuext_op_call{.uops = {ops}, .count = ops.size()});
  assert(result == 0 && "the probe's own tables are valid");
  hypercall_of_the_probe(set_gdt_call{.frame_list = {{}, true}});
  for (const vm_assist_type type : {VMASST_TYPE_writable_pagetables, VMASST_TYPE_architectural_iopl,
                                    VMASST_TYPE_runstate_update_flag, VMASST_TYPE_m2p_strict})
    hypercall_of_the_probe(vm_assist_call{.cmd = VMASST_CMD_disable, .type = type});
}

s64 model_side::hypercall_of_the_probe(hypercall call) { return xen::do_hypercall(m_, *probe_->vcpus[0], call); }

void model_side::set_entry(mfn_t table, unsigned slot, pte_t value) {
  const std::array<mmu_update_t, 1> request{{{(table.n << PAGE_SHIFT) + slot * sizeof(pte_t), value}}};
  const s64 result = hypercall_of_the_probe(mmu_update_call{.ureqs = {request}, .count = 1});
  assert(result == 0 && "the probe's own tables are valid");
}

}  // namespace pvmmu::conform
