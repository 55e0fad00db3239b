#include "tools/record_memory_op.h"

#include "proto/abi/memory_op.h"
#include "tools/lab/plugin/guest_structs.h"

namespace pvmmu::tools {
namespace {

namespace guest = lab::guest;

void take_reservation(const lab::heard_memory& memory, const guest::reservation& r, wire::memory_reservation& out) {
  for (const u64 extent : memory.list<u64>(r.extent_start, r.nr_extents)) out.add_extents(extent);
  out.set_va(r.extent_start);
  out.set_nr_extents(r.nr_extents);
  out.set_extent_order(r.extent_order);
  out.set_mem_flags(r.mem_flags);
  out.set_domid(r.domid);
}

}  // namespace

bool take_memory_op(const heard_call& heard, wire::memory_op_call& call) {
  const u64 va = heard.args[1];
  call.set_cmd(heard.args[0]);
  switch (call.cmd() & MEMOP_CMD_MASK) {
    case XENMEM_increase_reservation:
    case XENMEM_decrease_reservation:
    case XENMEM_populate_physmap:
      if (const auto r = heard.memory.get<guest::reservation>(va))
        take_reservation(heard.memory, *r, *call.mutable_reservation());
      return true;
    case XENMEM_exchange:
      if (const auto exchange = heard.memory.get<guest::exchange>(va)) {
        take_reservation(heard.memory, exchange->in, *call.mutable_exchange()->mutable_in());
        take_reservation(heard.memory, exchange->out, *call.mutable_exchange()->mutable_out());
        call.mutable_exchange()->set_nr_exchanged(exchange->nr_exchanged);
      }
      return true;
    case XENMEM_machphys_mfn_list:
      if (const auto list = heard.memory.get<guest::machphys_mfn_list>(va)) {
        wire::machphys_mfn_list& out = *call.mutable_machphys_mfn_list();
        out.set_va(list->extent_start);
        out.set_max_extents(list->max_extents);
        for (const u64 extent : heard.memory.list<u64>(list->extent_start, list->max_extents)) out.add_extents(extent);
      }
      return true;
    default: return false;
  }
}

void take_memory_op_outcome(const heard_call& heard, wire::call_outcome& outcome) {
  const u64 va = heard.args[1];
  wire::memory_op_outcome& out = *outcome.mutable_memory_op();
  const auto take_extents = [&](u64 at, u64 count) {
    for (const u64 extent : heard.memory.list<u64>(at, count)) out.add_extents(extent);
  };
  switch (heard.args[0] & MEMOP_CMD_MASK) {
    case XENMEM_exchange:
      if (const auto exchange = heard.memory.get<guest::exchange>(va)) {
        take_extents(exchange->out.extent_start, exchange->out.nr_extents);
        out.set_number(exchange->nr_exchanged);
      }
      break;
    case XENMEM_machphys_mfn_list:
      if (const auto list = heard.memory.get<guest::machphys_mfn_list>(va)) {
        take_extents(list->extent_start, list->nr_extents);
        out.set_number(list->nr_extents);
      }
      break;
    default:
      if (const auto r = heard.memory.get<guest::reservation>(va)) take_extents(r->extent_start, r->nr_extents);
      break;
  }
}

}  // namespace pvmmu::tools
