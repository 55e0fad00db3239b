#include "proto/abi/memory_op.h"

namespace pvmmu {

const extent_list* written_extents(const memory_op_call& call) {
  if (const auto* r = std::get_if<xen_memory_reservation>(&call.arg)) return &r->extent_start;
  if (const auto* x = std::get_if<xen_memory_exchange>(&call.arg)) return &x->out.extent_start;
  const auto* list = std::get_if<xen_machphys_mfn_list>(&call.arg);
  return list ? &list->extent_start : nullptr;
}

u64 written_number(const memory_op_call& call) {
  if (const auto* x = std::get_if<xen_memory_exchange>(&call.arg)) return x->nr_exchanged;
  const auto* list = std::get_if<xen_machphys_mfn_list>(&call.arg);
  return list ? list->nr_extents : 0;
}

std::string_view memory_op_cmd_name(u64 cmd) {
  switch (cmd & MEMOP_CMD_MASK) {
    case XENMEM_increase_reservation: return "increase_reservation";
    case XENMEM_decrease_reservation: return "decrease_reservation";
    case XENMEM_machphys_mfn_list: return "machphys_mfn_list";
    case XENMEM_populate_physmap: return "populate_physmap";
    case XENMEM_exchange: return "exchange";
    default: return "";
  }
}

}  // namespace pvmmu
