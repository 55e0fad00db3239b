#include "tools/lab/plugin/call_memory.h"

#include <algorithm>

#include "proto/abi/grant_table.h"
#include "proto/abi/hypercall.h"
#include "proto/abi/memory_op.h"
#include "tools/lab/plugin/guest_structs.h"

namespace pvmmu::lab::plugin {
namespace {

using heard::handler;

constexpr u64 most_entries = 65536;  // more of a list does not fit into an event

/// Adds a list; a count's bit 31 says that the call is a continuation.
template <class Entry>
void add_list(const processor& cpu, u64 va, u64 count, event_buffer& event) {
  const u64 entries = std::min<u64>(count & ~u64{MMU_UPDATE_PREEMPTED} & ~u32{0}, most_entries);
  if (va != 0 && entries != 0) event.add_memory(cpu, va, entries * sizeof(Entry));
}

void add_word(const processor& cpu, u64 va, event_buffer& event) {
  if (va != 0) event.add_memory(cpu, va, sizeof(u64));
}

void add_pdone(const processor& cpu, const call_args& args, event_buffer& event) {
  if (args[2] != 0) event.add_memory(cpu, args[2], sizeof(u32));
}

void add_mmuext_op(const processor& cpu, const call_args& args, event_buffer& event) {
  add_list<guest::mmuext_op>(cpu, args[0], args[1], event);
  const u64 count = std::min<u64>(args[1] & ~u64{MMU_UPDATE_PREEMPTED}, most_entries);
  for (u64 i = 0; i < count; ++i) {
    const auto op = event.get<guest::mmuext_op>(args[0] + i * sizeof(guest::mmuext_op));
    if (op.cmd == MMUEXT_TLB_FLUSH_MULTI || op.cmd == MMUEXT_INVLPG_MULTI) add_word(cpu, op.arg2, event);
  }
}

void add_extents(const processor& cpu, const guest::reservation& r, event_buffer& event) {
  add_list<u64>(cpu, r.extent_start, std::min(r.nr_extents, most_entries), event);
}

void add_memory_op(const processor& cpu, const call_args& args, event_buffer& event) {
  const u64 va = args[1];
  switch (args[0] & MEMOP_CMD_MASK) {
    case XENMEM_increase_reservation:
    case XENMEM_decrease_reservation:
    case XENMEM_populate_physmap:
      event.add_memory(cpu, va, sizeof(guest::reservation));
      add_extents(cpu, event.get<guest::reservation>(va), event);
      break;
    case XENMEM_exchange: {
      event.add_memory(cpu, va, sizeof(guest::exchange));
      const auto exchange = event.get<guest::exchange>(va);
      add_extents(cpu, exchange.in, event);
      add_extents(cpu, exchange.out, event);
      break;
    }
    case XENMEM_machphys_mfn_list: {
      event.add_memory(cpu, va, sizeof(guest::machphys_mfn_list));
      const auto list = event.get<guest::machphys_mfn_list>(va);
      add_list<u64>(cpu, list.extent_start, list.max_extents, event);
      break;
    }
    default: break;
  }
}

void add_grant_table_op(const processor& cpu, const call_args& args, event_buffer& event) {
  switch (args[0]) {
    case GNTTABOP_map_grant_ref: add_list<guest::map_grant_ref>(cpu, args[1], args[2], event); break;
    case GNTTABOP_unmap_grant_ref: add_list<guest::unmap_grant_ref>(cpu, args[1], args[2], event); break;
    case GNTTABOP_set_version: event.add_memory(cpu, args[1], sizeof(u32)); break;
    case GNTTABOP_get_status_frames: {
      event.add_memory(cpu, args[1], sizeof(guest::get_status_frames));
      const auto frames = event.get<guest::get_status_frames>(args[1]);
      add_list<u64>(cpu, frames.frame_list, frames.nr_frames, event);
      break;
    }
    default: break;
  }
}

}  // namespace

void add_asked_memory(const processor& cpu, handler which, const call_args& args, event_buffer& event) {
  switch (which) {
    case handler::mmu_update:
      add_list<guest::mmu_update>(cpu, args[0], args[1], event);
      add_pdone(cpu, args, event);
      break;
    case handler::mmuext_op:
      add_mmuext_op(cpu, args, event);
      add_pdone(cpu, args, event);
      break;
    case handler::update_va_mapping:
    case handler::update_va_mapping_otherdomain:
      if ((args[2] & ~(UVMF_FLUSHTYPE_MASK | UVMF_ALL)) != 0) add_word(cpu, args[2] & ~UVMF_FLUSHTYPE_MASK, event);
      break;
    case handler::multicall: add_list<guest::multicall_entry>(cpu, args[0], args[1], event); break;
    case handler::ptwr_emulated_update: add_word(cpu, args[1], event); break;
    case handler::memory_op: add_memory_op(cpu, args, event); break;
    case handler::grant_table_op: add_grant_table_op(cpu, args, event); break;
    case handler::set_gdt: add_list<u64>(cpu, args[0], (args[1] + 511) / 512, event); break;
    case handler::vcpu_op:
      if (args[0] == VCPUOP_initialise) event.add_memory(cpu, args[2], sizeof(guest::vcpu_guest_context));
      break;
    case handler::update_descriptor:
    case handler::vm_assist: break;
  }
}

void add_written_memory(const processor& cpu, handler which, const call_args& args, event_buffer& event) {
  switch (which) {
    case handler::mmu_update:
    case handler::mmuext_op: add_pdone(cpu, args, event); break;
    case handler::memory_op: add_memory_op(cpu, args, event); break;
    case handler::grant_table_op: add_grant_table_op(cpu, args, event); break;
    default: break;
  }
}

}  // namespace pvmmu::lab::plugin
