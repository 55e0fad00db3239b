#include "tools/conform/program_reader.h"

#include <stdexcept>

#include "hypervisor-model/machine/page_info.h"
#include "tools/conform/program_text.h"
#include "tools/lab/lowered_call.h"
#include "tools/scenario_names.h"

namespace pvmmu::conform {

namespace sc = pvmmu::scenario;

std::expected<named_program, std::string> parse_program(const std::string& text, std::string file_name) {
  try {
    return program_reader(tools::scenario_file::parse(std::move(file_name), text)).read();
  } catch (const tools::input_error& e) {
    return std::unexpected(e.what());
  }
}

named_program program_reader::read() {
  to_.title = file_.content().title();
  read_domains();
  read_frames();
  read_contents();
  for (const auto& s : file_.content().step()) read_step(s);
  return std::move(to_);
}

void program_reader::read_domains() const {
  const sc::scenario& all = file_.content();
  const sc::domain& first = all.domain(0);
  if (first.kind() != sc::domain::DOM0)
    file_.fail(first, "kind", "the first domain of a conformance program is a DOM0");
  for (const auto& d : all.domain())
    if (d.has_kernel()) file_.fail(d, "kernel", "no kernel runs in a conformance program: expected a domain without");
  if (all.domain_size() > 2)
    file_.fail(all, "domain", "a conformance program has at most two domains: itself, and one that lends frames", 2);
  if (all.domain_size() == 2 && all.domain(1).kind() != sc::domain::DOMU)
    file_.fail(all.domain(1), "kind", "the domain that lends frames is a DOMU");
}

/// Names frames by number: first those that begin with a type, then the untouched ones, then the adopted ones.
void program_reader::read_frames() {
  lab::program& p = to_.program;
  for (const auto begins : {sc::alloc_frame::MAPPED, sc::alloc_frame::UNTOUCHED, sc::alloc_frame::ADOPTED}) {
    for (const auto& s : file_.content().step()) {
      const sc::alloc_frame& a = s.alloc_frame();
      const bool own_kind = begins == a.begins() || (begins == a.MAPPED && a.begins() == a.UNMAPPED);
      if (!s.has_alloc_frame() || s.domain() != 0 || !own_kind) continue;
      index_[a.name()] = static_cast<u32>(to_.frame_names.size());
      to_.frame_names.push_back(a.name());
      (begins == a.ADOPTED ? p.nr_adopted : p.nr_frames) += 1;
      if (begins == a.UNTOUCHED) ++p.nr_untouched;
      if (to_.frame_names.size() > probe::max_frames)
        file_.fail(s, "alloc_frame", fmt::format("a conformance program has at most {} frames", probe::max_frames));
    }
  }
  for (const auto& s : file_.content().step()) {
    if (!s.has_alloc_frame() || s.domain() == 0) continue;
    if (s.alloc_frame().begins() != sc::alloc_frame::UNMAPPED)
      file_.fail(s.alloc_frame(), "begins", "frames of another domain: expected begins: UNMAPPED");
    index_[s.alloc_frame().name()] = probe::name_foreign + p.nr_foreign++;
    to_.foreign_names.push_back(s.alloc_frame().name());
  }
}

void program_reader::read_contents() {
  const sc::domain& own = file_.content().domain(0);
  if (own.grants() > probe::grants_per_frame)
    file_.fail(own, "grants", fmt::format("a conformance program has at most {} grants", probe::grants_per_frame));
  to_.program.nr_grants = own.grants();
  for (const auto& c : own.grant()) to_.program.contents.push_back(contents(probe::name_grant_table, c));
  for (const auto& s : file_.content().step())
    for (const auto& c : s.alloc_frame().contents())
      to_.program.contents.push_back(contents(index_.at(s.alloc_frame().name()), c));
}

void program_reader::read_step(const sc::step& s) {
  if (s.has_alloc_frame()) {
    if (s.alloc_frame().begins() == sc::alloc_frame::MAPPED) map_frame(s);
    return;
  }
  if (s.domain() != 0) file_.fail(s, "domain", "the other domain lends frames only: expected steps of domain 0");
  if (s.vcpu() != 0) file_.fail(s, "vcpu", "a conformance program runs on vCPU 0");
  if (s.preempted_checks_size() != 0)
    file_.fail(s, "preempted_checks", "the real Xen is preempted when something happens: expected none");
  add_call(s, s.has_hypercall() ? hypercall(s.hypercall()) : access(s.access()));
  call_index_.push_back(static_cast<u32>(to_.program.calls.size() - 1));
}

void program_reader::map_frame(const sc::step& s) {
  const u32 index = index_.at(s.alloc_frame().name());
  if (next_window_slot_ == 0) file_.fail(s, {}, "the window has no slot left to map this frame");
  window_slot_[index] = --next_window_slot_;
  add_call(s, lab::update_va_mapping{.va = lab::window_va(next_window_slot_),
                                     .val = lab::pte_to(index, PAGE_PRESENT | PAGE_RW | PAGE_ACCESSED | PAGE_DIRTY)});
}

void program_reader::add_call(const sc::step& s, lab::call c) {
  try {
    lab::lower(c);
  } catch (const std::invalid_argument& e) {
    file_.fail(s, {}, fmt::format("the probe cannot make this call: {}", e.what()));
  }
  to_.program.calls.push_back(std::move(c));
  to_.notes.push_back(s.note());
  to_.expected.push_back(expected(s));
}

lab::memory_access program_reader::access(const sc::access& a) const {
  if (a.mode() != sc::access::KERNEL) file_.fail(a, "mode", "the probe has no user mode: expected KERNEL");
  return {.op = static_cast<probe::access_op>(a.kind()),  // both count read, write, xchg, cmpxchg, load_selector
          .bytes = static_cast<u8>(a.has_bytes() ? a.bytes() : 8),
          .va = a.has_at() ? address(a.at()) : lab::plain(0),
          .value = a.has_pte()          ? pte(a.pte())
                   : a.has_value_word() ? word(a.value_word())
                                        : lab::plain(a.value()),
          .expected = a.has_expected_word() ? word(a.expected_word()) : lab::plain(a.expected())};
}

// ---- expectations

expectation program_reader::expected(const sc::step& s) const {
  expectation e{.where = file_.locate(s).text()};
  for (const auto& each : s.expect()) {
    if (each.done_not_written())
      e.done = s.hypercall().has_mmu_update() ? s.hypercall().mmu_update().done_value()
                                              : s.hypercall().mmuext_op().done_value();
    read_expect(each, e);
  }
  return e;
}

void program_reader::read_expect(const sc::expect& e, expectation& to) const {
  if (e.has_result()) to.result = e.result();
  if (!e.error().empty()) {
    const auto number = tools::error_number(e.error());
    if (!number) file_.fail(e, "error", fmt::format("no hypercall ends in {}", e.error()));
    to.result = number;
  }
  if (e.has_done()) to.done = e.done();
  for (const auto r : e.entry_result()) to.entry_results.push_back(r);
  for (const auto s : e.grant_status()) to.grant_statuses.push_back(static_cast<s16>(s));
  if (e.has_value()) to.value = lab::plain(e.value());
  if (e.has_value_word()) to.value = word(e.value_word());
  if (e.has_guest_fault()) to.fault = fault(e.guest_fault());
  if (e.has_stopped() && e.stopped() == sc::expect::DOMAIN_CRASHED) to.crashes = true;
  for (const auto& f : e.frame()) to.frames.push_back(frame_state(f));
}

expected_fault program_reader::fault(const sc::guest_fault& f) const {
  expected_fault to;
  if (f.has_vector()) to.vector = static_cast<u16>(f.vector());
  if (f.has_error_code()) to.error_code = f.error_code();
  if (f.has_va()) to.cr2 = lab::plain(f.va());
  if (f.has_at()) to.cr2 = address(f.at());
  return to;
}

expected_frame program_reader::frame_state(const sc::frame_state& f) const {
  expected_frame to{.where = file_.locate(f).text(), .frame = frame_index(f.frame())};
  const auto wants = [](u64& value, u64& mask, u64 bits, u64 is) {
    mask |= bits;
    value |= is;
  };
  const auto wants_flag = [&](u64& value, u64& mask, u64 flag, bool is) { wants(value, mask, flag, is ? flag : 0); };
  if (f.has_type()) wants(to.type_info, to.type_mask, xen::PGT_type_mask, static_cast<u64>(f.type()) << 61);
  if (f.has_type_count()) wants(to.type_info, to.type_mask, xen::PGT_count_mask, f.type_count() & xen::PGT_count_mask);
  if (f.has_pinned()) wants_flag(to.type_info, to.type_mask, xen::PGT_pinned, f.pinned());
  if (f.has_validated()) wants_flag(to.type_info, to.type_mask, xen::PGT_validated, f.validated());
  if (f.has_non_coherent()) wants_flag(to.type_info, to.type_mask, xen::PGT_non_coherent, f.non_coherent());
  if (f.has_count()) wants(to.count_info, to.count_mask, xen::PGC_count_mask, f.count() & xen::PGC_count_mask);
  if (f.has_allocated()) wants_flag(to.count_info, to.count_mask, xen::PGC_allocated, f.allocated());
  for (const auto& c : f.contents()) to.contents.push_back(contents(to.frame, c));
  return to;
}

}  // namespace pvmmu::conform
