#include "tools/record_call.h"

#include <algorithm>

#include "proto/abi/grant_table.h"
#include "proto/abi/hypercall.h"
#include "proto/abi/memory_op.h"
#include "proto/abi/pte.h"
#include "tools/lab/plugin/guest_structs.h"
#include "tools/record_memory_op.h"

namespace pvmmu::tools {
namespace {

namespace guest = lab::guest;
using lab::heard::handler;

struct handler_description {
  std::string_view name;
  u64 number;  ///< of the hypercall; 0: none
};
constexpr std::array<handler_description, lab::heard::nr_handlers> descriptions{{
    {"mmu_update", HYPERVISOR_mmu_update},
    {"mmuext_op", HYPERVISOR_mmuext_op},
    {"update_va_mapping", HYPERVISOR_update_va_mapping},
    {"update_va_mapping_otherdomain", HYPERVISOR_update_va_mapping_otherdomain},
    {"multicall", HYPERVISOR_multicall},
    {"emulated write", 0},
    {"memory_op", HYPERVISOR_memory_op},
    {"grant_table_op", HYPERVISOR_grant_table_op},
    {"set_gdt", HYPERVISOR_set_gdt},
    {"update_descriptor", HYPERVISOR_update_descriptor},
    {"vm_assist", HYPERVISOR_vm_assist},
    {"vcpu_op", HYPERVISOR_vcpu_op},
}};

/// What mmu_update and mmuext_op have in common.
template <class Call>
void take_batch(const heard_call& heard, Call& call) {
  call.set_null_list(heard.args[0] == 0);
  call.set_count(static_cast<u32>(heard.args[1]));
  if (const u64 pdone = heard.args[2]) {
    const auto value = heard.memory.get<u32>(pdone);
    call.mutable_pdone()->set_unwritable(!value);
    call.mutable_pdone()->set_value(value.value_or(0));
  }
  call.set_foreigndom(static_cast<u32>(heard.args[3]));
}

u64 batch_count(const heard_call& heard) { return heard.args[1] & ~u64{MMU_UPDATE_PREEMPTED} & ~u32{0}; }

void take_mmu_update(const heard_call& heard, wire::mmu_update_call& call) {
  take_batch(heard, call);
  for (const auto& req : heard.memory.list<guest::mmu_update>(heard.args[0], batch_count(heard))) {
    call.add_ureqs()->set_ptr(req.ptr);
    call.mutable_ureqs()->rbegin()->set_val(req.val);
  }
}

void take_mmuext_op(const heard_call& heard, wire::mmuext_op_call& call) {
  take_batch(heard, call);
  for (const auto& op : heard.memory.list<guest::mmuext_op>(heard.args[0], batch_count(heard))) {
    wire::mmuext_op_t& out = *call.add_uops();
    out.set_cmd(op.cmd);
    out.set_arg1(op.arg1);
    out.set_arg2(op.arg2);
    if (op.cmd != MMUEXT_TLB_FLUSH_MULTI && op.cmd != MMUEXT_INVLPG_MULTI) continue;
    if (const auto mask = heard.memory.get<u64>(op.arg2)) out.set_vcpumask(*mask);
  }
}

void take_update_va_mapping(const heard_call& heard, wire::update_va_mapping_call& call) {
  call.set_va(heard.args[0]);
  call.set_val(heard.args[1]);
  call.set_flags(heard.args[2]);
  if ((call.flags() & ~(UVMF_FLUSHTYPE_MASK | UVMF_ALL)) == 0) return;
  if (const auto mask = heard.memory.get<u64>(call.flags() & ~UVMF_FLUSHTYPE_MASK)) call.set_vcpumask(*mask);
}

void take_set_gdt(const heard_call& heard, wire::set_gdt_call& call) {
  call.set_null_list(heard.args[0] == 0);
  call.set_entries(static_cast<u32>(heard.args[1]));
  for (const u64 mfn : heard.memory.list<u64>(heard.args[0], (u64{call.entries()} + 511) / 512))
    call.add_frame_list(mfn);
}

bool take_grant_table_op(const heard_call& heard, wire::grant_table_op_call& call) {
  const u64 va = heard.args[1];
  call.set_cmd(static_cast<u32>(heard.args[0]));
  call.set_count(static_cast<u32>(heard.args[2]));
  switch (call.cmd()) {
    case GNTTABOP_map_grant_ref:
      for (const auto& map : heard.memory.list<guest::map_grant_ref>(va, call.count())) {
        wire::gnttab_map_grant_ref_t& out = *call.add_map();
        out.set_host_addr(map.host_addr);
        out.set_flags(map.flags);
        out.set_ref(map.ref);
        out.set_dom(map.dom);
      }
      return true;
    case GNTTABOP_unmap_grant_ref:
      for (const auto& unmap : heard.memory.list<guest::unmap_grant_ref>(va, call.count())) {
        wire::gnttab_unmap_grant_ref_t& out = *call.add_unmap();
        out.set_host_addr(unmap.host_addr);
        out.set_dev_bus_addr(unmap.dev_bus_addr);
        out.set_handle(unmap.handle);
      }
      return true;
    case GNTTABOP_set_version:
      call.mutable_set_version()->set_version(heard.memory.get<u32>(va).value_or(0));
      return true;
    case GNTTABOP_get_status_frames: {
      const auto frames = heard.memory.get<guest::get_status_frames>(va).value_or(guest::get_status_frames{});
      call.mutable_get_status_frames()->set_nr_frames(frames.nr_frames);
      call.mutable_get_status_frames()->set_dom(frames.dom);
      for (const u64 frame : heard.memory.list<u64>(frames.frame_list, frames.nr_frames))
        call.mutable_get_status_frames()->add_frame_list(frame);
      return true;
    }
    default: return false;
  }
}

bool take_vcpu_op(const heard_call& heard, wire::vcpu_op_call& call) {
  call.set_cmd(static_cast<u32>(heard.args[0]));
  call.set_vcpuid(static_cast<u32>(heard.args[1]));
  if (call.cmd() == VCPUOP_up) return true;
  if (call.cmd() != VCPUOP_initialise) return false;
  const auto context = heard.memory.get<guest::vcpu_guest_context>(heard.args[2]);
  if (!context) return true;
  wire::vcpu_guest_context& out = *call.mutable_arg();
  out.set_flags(context->flags);
  out.set_rip(context->rip);
  out.set_ldt_base(context->ldt_base);
  out.set_ldt_ents(context->ldt_ents);
  out.set_gdt_ents(context->gdt_ents);
  const u64 gdt_frames = std::min<u64>((context->gdt_ents + 511) / 512, context->gdt_frames.size());
  for (u64 i = 0; i < gdt_frames; ++i) out.add_gdt_frames(context->gdt_frames[i]);
  out.set_user_cr3(context->ctrlreg[1]);
  out.set_cr3(context->ctrlreg[3]);
  return true;
}

void take_grant_outcome(const heard_call& heard, wire::call_outcome& outcome) {
  const u64 va = heard.args[1];
  switch (heard.args[0]) {
    case GNTTABOP_map_grant_ref:
      for (const auto& map : heard.memory.list<guest::map_grant_ref>(va, heard.args[2])) {
        wire::grant_outcome& out = *outcome.add_grants();
        out.set_status(map.status);
        out.set_handle(map.handle);
        out.set_dev_bus_addr(map.dev_bus_addr);
      }
      break;
    case GNTTABOP_unmap_grant_ref:
      for (const auto& unmap : heard.memory.list<guest::unmap_grant_ref>(va, heard.args[2]))
        outcome.add_grants()->set_status(unmap.status);
      break;
    case GNTTABOP_set_version: outcome.add_grants()->set_version(heard.memory.get<u32>(va).value_or(0)); break;
    case GNTTABOP_get_status_frames: {
      wire::grant_outcome& out = *outcome.add_grants();
      const auto frames = heard.memory.get<guest::get_status_frames>(va).value_or(guest::get_status_frames{});
      out.set_status(frames.status);
      for (const u64 frame : heard.memory.list<u64>(frames.frame_list, frames.nr_frames)) out.add_frame_list(frame);
      break;
    }
    default: break;
  }
}

}  // namespace

bool take_call(const heard_call& heard, wire::hypercall& call) {
  switch (heard.handler) {
    case handler::mmu_update: take_mmu_update(heard, *call.mutable_mmu_update()); return true;
    case handler::mmuext_op: take_mmuext_op(heard, *call.mutable_mmuext_op()); return true;
    case handler::update_va_mapping: take_update_va_mapping(heard, *call.mutable_update_va_mapping()); return true;
    case handler::update_va_mapping_otherdomain: {
      auto& other = *call.mutable_update_va_mapping_otherdomain();
      take_update_va_mapping(heard, *other.mutable_update());
      other.set_domid(static_cast<u16>(heard.args[3]));
      return true;
    }
    case handler::multicall:
      call.mutable_multicall()->set_nr_calls(static_cast<u32>(heard.args[1]));
      call.mutable_multicall()->set_null_list(heard.args[0] == 0);
      return true;
    case handler::memory_op: return take_memory_op(heard, *call.mutable_memory_op());
    case handler::grant_table_op: return take_grant_table_op(heard, *call.mutable_grant_table_op());
    case handler::set_gdt: take_set_gdt(heard, *call.mutable_set_gdt()); return true;
    case handler::update_descriptor:
      call.mutable_update_descriptor()->set_maddr(heard.args[0]);
      call.mutable_update_descriptor()->set_desc(heard.args[1]);
      return true;
    case handler::vm_assist:
      call.mutable_vm_assist()->set_cmd(static_cast<u32>(heard.args[0]));
      call.mutable_vm_assist()->set_type(static_cast<u32>(heard.args[1]));
      return true;
    case handler::vcpu_op: return take_vcpu_op(heard, *call.mutable_vcpu_op());
    case handler::ptwr_emulated_update: break;
  }
  return false;
}

recording::emulated_write take_write(const heard_call& heard) {
  recording::emulated_write write;
  const auto& [va, p_old, value, bytes, context, pte] = heard.args;
  write.set_va(va);
  write.set_maddr((pte & PTE_ADDR_MASK) | (va & PAGE_OFFSET_MASK));
  write.set_bytes(static_cast<u32>(bytes));
  write.set_value(value);
  if (p_old != 0) write.set_expected(heard.memory.get<u64>(p_old).value_or(0));
  return write;
}

void take_outcome(const wire::hypercall& asked, const heard_call& heard, u64 result, wire::call_outcome& outcome) {
  outcome.set_result(static_cast<s64>(result));
  if (heard.handler == handler::mmu_update || heard.handler == handler::mmuext_op) {
    const auto done = heard.memory.get<u32>(heard.args[2]);
    if (heard.args[2] != 0 && done) outcome.set_done(*done);
  }
  if (asked.has_memory_op()) take_memory_op_outcome(heard, outcome);
  if (asked.has_grant_table_op()) take_grant_outcome(heard, outcome);
}

std::string_view handler_name(handler which) { return descriptions[static_cast<std::size_t>(which)].name; }

std::optional<handler> handler_of(u64 hypercall_number) {
  const auto found = std::ranges::find(descriptions, hypercall_number, &handler_description::number);
  if (hypercall_number == 0 || found == descriptions.end()) return std::nullopt;
  return static_cast<handler>(found - descriptions.begin());
}

}  // namespace pvmmu::tools
