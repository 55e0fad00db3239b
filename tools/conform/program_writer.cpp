#include "tools/conform/program_writer.h"

#include <fmt/format.h>

#include "hypervisor-model/machine/page_info.h"
#include "proto/abi/errno.h"
#include "tools/conform/grant_statuses.h"
#include "tools/conform/word_writer.h"
#include "tools/scenario_names.h"
#include "tools/scenario_text.h"

namespace pvmmu::conform {

namespace sc = pvmmu::scenario;

std::string print_program(const lab::program& p, std::string_view title, const seen* real) {
  return tools::scenario_text(program_writer(p, real).write(title));
}

std::string frame_name(const lab::program& p, u32 index) {
  if (const auto given = tools::given_frame_name(index)) return std::string(*given);
  if (index >= probe::name_foreign) return fmt::format("foreign{}", index - probe::name_foreign);
  return index < p.nr_frames ? fmt::format("f{}", index) : fmt::format("x{}", index - p.nr_frames);
}

sc::scenario program_writer::write(std::string_view title) {
  to_.set_title(std::string(title));
  to_.add_domain()->set_kind(sc::domain::DOM0);
  write_grants(*to_.mutable_domain(0));
  if (program_.nr_foreign != 0) to_.add_domain()->set_kind(sc::domain::DOMU);
  write_frames();
  for (std::size_t i = 0; i < program_.calls.size(); ++i) {
    sc::step& step = *to_.add_step();
    write_call(program_.calls[i], step);
    if (real_) write_answer(i, step);
  }
  return std::move(to_);
}

sc::alloc_frame& program_writer::add_frame(u32 index, sc::alloc_frame::beginning begins) {
  sc::step& step = *to_.add_step();
  if (index >= probe::name_foreign) step.set_domain(1);
  sc::alloc_frame& a = *step.mutable_alloc_frame();
  a.set_name(frame_name(program_, index));
  a.set_begins(begins);
  for (const lab::content& c : program_.contents)
    if (c.frame == index) write(c, *a.add_contents());
  return a;
}

void program_writer::write(const lab::content& c, sc::contents& to) const {
  to.set_slot(c.slot);
  if (c.nr != 1) to.set_count(c.nr);
  word_writer(program_).value(
      c.value, [&](u64 v) { to.set_value(v); }, [&] { return to.mutable_pte(); }, [&] { return to.mutable_word(); });
}

void program_writer::write_grants(sc::domain& to) const {
  to.set_grants(program_.nr_grants);
  for (const lab::content& c : program_.contents)
    if (c.frame == probe::name_grant_table) write(c, *to.add_grant());
}

void program_writer::write_frames() {
  const u32 touched = program_.nr_frames - program_.nr_untouched;
  for (u32 i = 0; i < program_.nr_frames; ++i)
    add_frame(i, i < touched ? sc::alloc_frame::UNMAPPED : sc::alloc_frame::UNTOUCHED);
  for (u32 i = 0; i < program_.nr_adopted; ++i) add_frame(program_.nr_frames + i, sc::alloc_frame::ADOPTED);
  for (u32 i = 0; i < program_.nr_foreign; ++i) add_frame(probe::name_foreign + i, sc::alloc_frame::UNMAPPED);
}

void program_writer::write_call(const lab::call& c, sc::step& to) const {
  if (const auto* access = std::get_if<lab::memory_access>(&c)) return write(*access, *to.mutable_access());
  std::visit(
      [&]<class Call>(const Call& each) {
        if constexpr (!std::is_same_v<Call, lab::memory_access>) write(each, *to.mutable_hypercall());
      },
      c);
}

void program_writer::write(const lab::memory_access& c, sc::access& to) const {
  const word_writer words(program_);
  to.set_kind(static_cast<sc::access::access_kind>(c.op));  // both count read, write, xchg, cmpxchg, load_selector
  if (c.bytes != 8) to.set_bytes(c.bytes);
  if (c.op == probe::access_op::load_selector) return to.set_value(c.value.value);
  words.address(c.va, *to.mutable_at());
  if (c.value != lab::plain(0))
    words.value(
        c.value, [&](u64 v) { to.set_value(v); }, [&] { return to.mutable_pte(); },
        [&] { return to.mutable_value_word(); });
  if (word_writer::is_number(c.expected))
    to.set_expected(c.expected.value);
  else
    words.word(c.expected, *to.mutable_expected_word());
}

// ---- what was seen

void program_writer::write_answer(std::size_t i, sc::step& to) const {
  const auto& calls = real_->answer.calls;
  if (i >= calls.size()) {
    if (i == calls.size() && real_->answer.how == lab::program_answer::state::crashed)
      to.add_expect()->set_stopped(sc::expect::DOMAIN_CRASHED);
    return;
  }
  const lab::answer& a = calls[i];
  sc::expect& e = *to.add_expect();
  if (to.has_hypercall()) {
    write_result(a.result, e);
    for (const auto& entry : a.entries) e.add_entry_result(entry.result);
    for (const s16 status : grant_statuses(program_.calls[i], a)) e.add_grant_status(status);
    // What lay there before says nothing.
    const u32 before = to.hypercall().has_mmu_update() ? to.hypercall().mmu_update().done_value()
                                                       : to.hypercall().mmuext_op().done_value();
    if (a.done && *a.done != before) e.set_done(*a.done);
  } else if (a.taken) {
    if (a.taken->vector != expected_fault{}.vector) e.mutable_guest_fault()->set_vector(a.taken->vector);
    e.mutable_guest_fault()->set_error_code(a.taken->error_code);
  } else if (to.access().kind() != sc::access::WRITE && to.access().kind() != sc::access::LOAD_SELECTOR) {
    word_writer(program_).value(
        named(a.value), [&](u64 v) { e.set_value(v); }, [&] { return e.mutable_value_word()->mutable_pte(); },
        [&] { return e.mutable_value_word(); });
  }
  if (real_->memory && i + 1 == program_.calls.size()) write_frames_at_the_end(e);
  if (e.ByteSizeLong() == 0) to.clear_expect();
}

void program_writer::write_result(s64 result, sc::expect& to) const {
  const std::string_view name = errno_name(result);
  if (name.empty())
    to.set_result(result);
  else
    to.set_error(std::string(name));
}

void program_writer::write_frames_at_the_end(sc::expect& to) const {
  const word_writer words(program_);
  for (u32 i = 0; i < program_.nr_frames; ++i) {
    const xen::page_info page = real_->memory->frame(*real_->answer.frame(i));
    sc::frame_state& f = *to.add_frame();
    words.frame(i, *f.mutable_frame());
    f.set_type(static_cast<sc::frame_state::frame_type>(page.type_info >> 61));
    f.set_type_count(page.type_info & xen::PGT_count_mask);
    f.set_count(page.count_info & xen::PGC_count_mask);
    if ((page.type_info & xen::PGT_pinned) != 0) f.set_pinned(true);
    if ((page.type_info & xen::PGT_non_coherent) != 0) f.set_non_coherent(true);
  }
}

lab::word program_writer::named(u64 value) const {
  if (!present(value)) return lab::plain(value);
  for (u32 i = 0; i < program_.nr_frames + program_.nr_adopted; ++i)
    if (const auto mfn = real_->answer.frame(i); mfn && *mfn == pte_mfn(value))
      return lab::pte_to(i, value & ~PTE_ADDR_MASK);
  return lab::plain(value);
}

}  // namespace pvmmu::conform
