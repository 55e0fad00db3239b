// What a scenario must obey beyond its grammar: accesses, hypercalls, and what is expected of a step.

#include <google/protobuf/descriptor.h>

#include "proto/abi/access.h"
#include "tools/scenario_checker.h"
#include "tools/scenario_names.h"

namespace pvmmu::tools {

namespace sc = pvmmu::scenario;

void scenario_checker::check_access(const sc::access& a) const {
  if (a.kind() == sc::access::LOAD_SELECTOR) {
    constexpr u64 selectors = 0xffff;
    if (!a.has_value() || a.value() > selectors || (a.value() & selector_ti) == 0)
      file_.fail(
          a, "value",
          fmt::format("the selector is {:#x}: expected one of the LDT, bit 2 set, up to {:#x}", a.value(), selectors));
    return;
  }
  need(a.has_at(), a, "an address: expected at { va: 0x… }");
  check_address(a.at());
  if (a.has_pte()) check_pte(a.pte());
  if (a.has_value_word()) check_word(a.value_word());
  if (a.has_expected_word()) check_word(a.expected_word());
  if (a.has_expected_word() && a.expected() != 0) file_.fail(a, "expected", "expected is given twice: once is enough");
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
      for (const auto& w : h.set_gdt().word()) check_word(w);
      if (!h.set_gdt().frame().empty() && !h.set_gdt().word().empty())
        file_.fail(h.set_gdt(), "word", "the list is given twice: expected frame or word");
      break;
    case sc::hypercall::kUpdateDescriptor:
      need(h.update_descriptor().where_case() != sc::update_descriptor::WHERE_NOT_SET, h.update_descriptor(),
           "a target: expected maddr or entry");
      if (h.update_descriptor().has_entry()) check_entry(h.update_descriptor().entry());
      if (h.update_descriptor().has_maddr_word()) check_word(h.update_descriptor().maddr_word());
      break;
    case sc::hypercall::kRaw: check_raw(h.raw()); break;
    case sc::hypercall::kMapGrantRef:
      for (const auto& map : h.map_grant_ref().map()) {
        check_word(map.host_addr());
        check_word(map.ref());
      }
      break;
    case sc::hypercall::kUnmapGrantRef:
      for (const auto& unmap : h.unmap_grant_ref().unmap()) {
        check_word(unmap.host_addr());
        check_word(unmap.dev_bus_addr());
        check_word(unmap.handle());
      }
      break;
    case sc::hypercall::kMemoryOp: check_memory_op(h.memory_op()); break;
    case sc::hypercall::kVcpuOp:
      for (const auto& w : h.vcpu_op().context().gdt_frame()) check_word(w);
      check_word(h.vcpu_op().context().cr3());
      check_word(h.vcpu_op().context().user_cr3());
      break;
    case sc::hypercall::kVmAssist:
    case sc::hypercall::kIret:
    case sc::hypercall::kUnknown: break;
    case sc::hypercall::CALL_NOT_SET: need(false, h, "a call: expected mmu_update, mmuext_op, …");
  }
}

void scenario_checker::check_request(const sc::mmu_update::update_request& r) const {
  need(r.where_case() != r.WHERE_NOT_SET, r, "a target: expected ptr, entry or machphys");
  if ((r.has_ptr() || r.has_ptr_word()) && r.command() != r.MMU_NORMAL_PT_UPDATE)
    file_.fail(r, "command", "ptr holds the command already: expected command with entry or machphys only");
  if (r.has_machphys() && r.command() != r.MMU_NORMAL_PT_UPDATE && r.command() != r.MMU_MACHPHYS_UPDATE)
    file_.fail(r, "command", "machphys has the command MMU_MACHPHYS_UPDATE: expected no other");
  if (r.has_entry()) check_entry(r.entry());
  if (r.has_machphys()) check_frame(r.machphys());
  if (r.has_ptr_word()) check_word(r.ptr_word());
  if (r.has_pte()) check_pte(r.pte());
  if (r.has_val_word()) check_word(r.val_word());
}

void scenario_checker::check_op(const sc::mmuext_op::one_op& op) const {
  if (op.cmd() < 0)
    file_.fail(op, "cmd", fmt::format("cmd is {}: expected a name or a number from 0 on", static_cast<int>(op.cmd())));
  if (op.high_cmd() != 0 && op.cmd() != 0)
    file_.fail(op, "high_cmd", "the command is given twice: expected cmd or high_cmd");
  if (op.high_cmd() != 0) in_range(op, "high_cmd", op.high_cmd(), u64{1} << 31, ~u32{0});
  if (op.has_frame()) check_frame(op.frame());
  if (op.has_at()) check_address(op.at());
  if (op.has_arg1_word()) check_word(op.arg1_word());
  if (op.has_source()) check_frame(op.source());
  if (op.has_arg2_word()) check_word(op.arg2_word());
}

void scenario_checker::check_update_va_mapping(const sc::update_va_mapping& u) const {
  need(u.has_at(), u, "an address: expected at { va: 0x… }");
  check_address(u.at());
  if (u.has_pte()) check_pte(u.pte());
  if (u.has_val_word()) check_word(u.val_word());
  if (u.has_flags() && (u.flush() != u.NONE || u.scope() == u.ALL))
    file_.fail(u, "flags", "flags hold flush and scope already: expected them alone, or with scope: MASK");
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

void scenario_checker::check_memory_op(const sc::memory_op& m) const {
  for (const auto* r : {&m.reservation(), &m.exchange().in(), &m.exchange().out()}) {
    for (const auto& w : r->extents().word()) check_word(w);
    if (r->extents().has_at()) check_word(r->extents().at());
    if (r->has_domid()) in_range(*r, "domid", r->domid(), 0, 0xffff);
  }
  for (const auto& w : m.machphys_mfn_list().extents().word()) check_word(w);
  if (!m.has_adopt_first()) return;
  need(m.adopt_first().has_name(), m, "a name to begin with: expected adopt_first { name: \"x\" }");
  check_frame(m.adopt_first());
}

void scenario_checker::check_raw(const sc::raw& r) const {
  if (r.arg_size() > 5) file_.fail(r, "arg", "a call has at most five arguments", 5);
  for (const auto& w : r.arg()) check_word(w);
  for (const auto& b : r.blob())
    for (const auto& w : b.word()) check_word(w);
  if (!r.has_adopt_blob()) return;
  if (r.adopt_blob() >= static_cast<u32>(r.blob_size()))
    file_.fail(r, "adopt_blob", fmt::format("adopt_blob is {}: expected the number of a blob, from 0", r.adopt_blob()));
  need(r.adopt_first().has_name(), r, "a name to begin with: expected adopt_first { name: \"x\" }");
  check_frame(r.adopt_first());
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
  only_of(!e.grant_status().empty(), call.has_map_grant_ref() || call.has_unmap_grant_ref(), "grant_status",
          "map_grant_ref and unmap_grant_ref");
  only_of(e.has_value(), s.has_read() || s.has_kernel_read() || s.has_access(), "value",
          "read, kernel_read and access");
  only_of(e.has_value_word(), s.has_access(), "value_word", "access");
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
  if (e.has_value_word()) check_word(e.value_word());
  if (e.guest_fault().has_at()) check_address(e.guest_fault().at());
  for (const auto& f : e.frame()) check_expected_frame(f);
}

void scenario_checker::check_expected_frame(const sc::frame_state& f) const {
  need(f.has_frame(), f, "a frame: expected frame { frame { name: \"l1\" } … }");
  check_frame(f.frame());
  for (const auto& c : f.contents()) check_contents(c);
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
