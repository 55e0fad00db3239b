// What a scenario must obey beyond its grammar: frames, accesses, hypercalls, and what is expected of a step.

#include <google/protobuf/descriptor.h>

#include "proto/abi/pte.h"
#include "tools/scenario_checker.h"
#include "tools/scenario_names.h"

namespace pvmmu::tools {

namespace sc = pvmmu::scenario;

u64 scenario_checker::domain_pages() const { return domain_->has_pages() ? domain_->pages() : domain_config{}.pages; }

void scenario_checker::check_alloc_frame(const sc::alloc_frame& a) {
  need(!a.name().empty(), a, "a name: expected alloc_frame { name: \"l1\" }");
  if (!frame_names_.insert(a.name()).second)
    file_.fail(a, "name", fmt::format("frame \"{}\" exists already: expected a new name", a.name()));
}

void scenario_checker::check_access(const sc::access& a) const {
  need(a.has_at(), a, "an address: expected at { va: 0x… }");
  check_address(a.at());
  if (a.has_pte() && a.pte().has_frame()) check_frame(a.pte().frame());
  if (a.has_bytes() && a.bytes() != 1 && a.bytes() != 2 && a.bytes() != 4 && a.bytes() != 8)
    file_.fail(a, "bytes", fmt::format("bytes is {}: expected 1, 2, 4 or 8", a.bytes()));
}
// ---- hypercalls

void scenario_checker::check_hypercall(const sc::hypercall& h) const {
  switch (h.call_case()) {
    case sc::hypercall::kMmuUpdate:
      for (const auto& r : h.mmu_update().request()) check_request(r);
      break;
    case sc::hypercall::kMmuextOp:
      for (const auto& op : h.mmuext_op().op()) check_op(op);
      break;
    case sc::hypercall::kUpdateVaMapping: check_update_va_mapping(h.update_va_mapping()); break;
    case sc::hypercall::kMulticall: check_multicall(h.multicall()); break;
    case sc::hypercall::kSetGdt:
      for (const auto& f : h.set_gdt().frame()) check_frame(f);
      break;
    case sc::hypercall::kUpdateDescriptor:
      need(h.update_descriptor().where_case() != sc::update_descriptor::WHERE_NOT_SET, h.update_descriptor(),
           "a target: expected maddr or entry");
      if (h.update_descriptor().has_entry()) check_entry(h.update_descriptor().entry());
      break;
    case sc::hypercall::kVmAssist:
    case sc::hypercall::kUnknown: break;
    case sc::hypercall::CALL_NOT_SET: need(false, h, "a call: expected mmu_update, mmuext_op, …");
  }
}

void scenario_checker::check_request(const sc::mmu_update::update_request& r) const {
  need(r.where_case() != r.WHERE_NOT_SET, r, "a target: expected ptr, entry or machphys");
  if (r.has_ptr() && r.command() != r.MMU_NORMAL_PT_UPDATE)
    file_.fail(r, "command", "ptr holds the command already: expected command with entry or machphys only");
  if (r.has_machphys() && r.command() != r.MMU_NORMAL_PT_UPDATE && r.command() != r.MMU_MACHPHYS_UPDATE)
    file_.fail(r, "command", "machphys has the command MMU_MACHPHYS_UPDATE: expected no other");
  if (r.has_entry()) check_entry(r.entry());
  if (r.has_machphys()) check_frame(r.machphys());
  if (r.has_pte() && r.pte().has_frame()) check_frame(r.pte().frame());
}

void scenario_checker::check_op(const sc::mmuext_op::one_op& op) const {
  if (op.cmd() < 0)
    file_.fail(op, "cmd", fmt::format("cmd is {}: expected a name or a number from 0 on", static_cast<int>(op.cmd())));
  if (op.has_frame()) check_frame(op.frame());
  if (op.has_at()) check_address(op.at());
  if (op.has_source()) check_frame(op.source());
}

void scenario_checker::check_update_va_mapping(const sc::update_va_mapping& u) const {
  need(u.has_at(), u, "an address: expected at { va: 0x… }");
  check_address(u.at());
  if (u.has_pte() && u.pte().has_frame()) check_frame(u.pte().frame());
  if (u.has_vcpumask() && u.scope() != u.MASK) file_.fail(u, "vcpumask", "vcpumask needs scope: MASK");
  if (u.has_otherdomain()) in_range(u, "otherdomain", u.otherdomain(), 0, 0xffff);
}

void scenario_checker::check_multicall(const sc::multicall& m) const {
  for (const auto& call : m.call()) {
    check_hypercall(call);
    for (const auto& inner : call.multicall().call())
      if (inner.has_multicall()) file_.fail(inner, "multicall", "a third level of multicalls: expected two at most");
  }
}

// ---- names of things

void scenario_checker::check_frame(const sc::frame& f) const {
  need(f.which_case() != f.WHICH_NOT_SET, f, "to say which: expected name, mfn, pfn, table or mapped_at");
  if (f.has_name() && !frame_names_.contains(f.name()))
    file_.fail(f, "name",
               fmt::format("there is no frame \"{}\" here: expected a name that alloc_frame gave before", f.name()));
  if (f.has_pfn()) in_range(f, "pfn", f.pfn(), 0, domain_pages() - 1);
  if (f.has_table()) check_table(f.table());
}

void scenario_checker::check_table(const sc::table_of& t) const {
  in_range(t, "level", t.level(), 1, 4);
  if (!t.mm().empty()) check_mm(t, t.mm(), false);
}

void scenario_checker::check_entry(const sc::entry& e) const {
  need(e.where_case() != e.WHERE_NOT_SET, e, "to say which: expected table and slot, or of { level: 1 va: 0x… }");
  if (e.has_table()) check_frame(e.table());
  if (e.has_of()) check_table(e.of());
  if (e.has_of() && e.slot() != 0) file_.fail(e, "slot", "slot goes with table: expected none with of");
  in_range(e, "slot", e.slot(), 0, entries_per_table - 1);
}

void scenario_checker::check_address(const sc::address& a) const {
  need(a.where_case() != a.WHERE_NOT_SET, a, "to say where: expected va or frame");
  if (a.has_frame()) check_frame(a.frame());
}

// ---- expectations

void scenario_checker::check_expect(const sc::step& s, const sc::expect& e) const {
  const auto only_of = [&](bool given, bool fits, std::string_view field, std::string_view steps) {
    if (given && !fits) file_.fail(e, field, fmt::format("{} can be expected of {} only", field, steps));
  };
  const sc::hypercall& call = s.hypercall();
  const bool has_done = call.has_mmu_update() || call.has_mmuext_op();
  only_of(e.has_result(), s.has_hypercall(), "result", "a hypercall");
  only_of(!e.error().empty(), !s.has_access() && !s.has_alloc_frame(), "error", "hypercalls and system calls");
  only_of(e.has_done(), has_done, "done", "mmu_update and mmuext_op");
  only_of(e.done_not_written(), has_done, "done_not_written", "mmu_update and mmuext_op");
  only_of(!e.entry_result().empty(), call.has_multicall(), "entry_result", "a multicall");
  only_of(e.has_value(), s.has_read() || s.has_access(), "value", "read and access");
  only_of(e.has_guest_fault(), s.has_access(), "guest_fault", "access");
  if (!e.error().empty() && e.has_result()) file_.fail(e, "error", "expected result or error, not both");
  if (e.done_not_written() && e.has_done()) file_.fail(e, "done", "expected done or done_not_written, not both");
  if (!e.error().empty() && !error_number(e.error()) && e.error() != sigsegv)
    file_.fail(e, "error",
               fmt::format("error is \"{}\": expected one of {}, {}", e.error(), all_error_names(), sigsegv));
  check_expected_calls(e);
  for (int i = 0; i < e.xen_message_size(); ++i)
    if (e.xen_message(i).empty()) file_.fail(e, "xen_message", "xen_message is empty: expected part of a line", i);
  for (int i = 0; i < e.linux_message_size(); ++i)
    if (e.linux_message(i).empty())
      file_.fail(e, "linux_message", "linux_message is empty: expected part of a line", i);
  for (const auto& f : e.frame()) {
    need(f.has_frame(), f, "a frame: expected frame { frame { name: \"l1\" } … }");
    check_frame(f.frame());
  }
}

void scenario_checker::check_expected_calls(const sc::expect& e) const {
  for (int i = 0; i < e.call_size(); ++i)
    if (!parse_repeated_name(e.call(i)))
      file_.fail(
          e, "call",
          fmt::format("call is \"{}\": expected NAME or \"NAME xN\", with NAME one of {}", e.call(i), all_call_names()),
          i);
  for (const auto& f : e.failed()) {
    if (!is_call_name(f.call()))
      file_.fail(f, "call", fmt::format("call is \"{}\": expected one of {}", f.call(), all_call_names()));
    if (!error_number(f.error()))
      file_.fail(f, "error", fmt::format("error is \"{}\": expected one of {}", f.error(), all_error_names()));
  }
}

}  // namespace pvmmu::tools
