#include "tools/compare/operation.h"

namespace pvmmu::compare {
namespace {

operation operation_of(const wire::mmu_update_t& update) {
  const u64 cmd = update.ptr() & 7;
  if (cmd == MMU_MACHPHYS_UPDATE) return {.name = "mmu_update of the machine-to-phys table"};
  return {.what = operation::kind::set_entry,
          .frame = maddr_to_mfn({update.ptr()}),
          .slot = static_cast<unsigned>((update.ptr() & PAGE_OFFSET_MASK) / sizeof(pte_t)),
          .value = update.val(),
          .cmd = static_cast<u32>(cmd)};
}

operation operation_of(const wire::mmuext_op_t& op) {
  operation o{.frame = {op.arg1()}, .cmd = op.cmd()};
  if (op.has_vcpumask()) o.vcpus = op.vcpumask();
  switch (op.cmd()) {
    case MMUEXT_PIN_L1_TABLE:
    case MMUEXT_PIN_L2_TABLE:
    case MMUEXT_PIN_L3_TABLE:
    case MMUEXT_PIN_L4_TABLE:
      o.what = operation::kind::pin;
      o.level = op.cmd() - MMUEXT_PIN_L1_TABLE + 1;
      break;
    case MMUEXT_UNPIN_TABLE: o.what = operation::kind::unpin; break;
    case MMUEXT_NEW_BASEPTR: o.what = operation::kind::load_cr3; break;
    case MMUEXT_NEW_USER_BASEPTR: o.what = operation::kind::load_user_cr3; break;
    case MMUEXT_INVLPG_LOCAL:
    case MMUEXT_INVLPG_MULTI:
    case MMUEXT_INVLPG_ALL: o.va = op.arg1(); [[fallthrough]];
    case MMUEXT_TLB_FLUSH_LOCAL:
    case MMUEXT_TLB_FLUSH_MULTI:
    case MMUEXT_TLB_FLUSH_ALL: o.what = operation::kind::flush; break;
    default: o.name = mmuext_cmd_name(op.cmd());
  }
  return o;
}

}  // namespace

std::vector<operation> operations_of(const wire::hypercall& call) {
  std::vector<operation> all;
  if (call.has_mmu_update()) {
    for (const auto& update : call.mmu_update().ureqs()) all.push_back(operation_of(update));
  } else if (call.has_mmuext_op()) {
    for (const auto& op : call.mmuext_op().uops()) all.push_back(operation_of(op));
  } else if (call.has_update_va_mapping()) {
    const auto& mapping = call.update_va_mapping();
    all.push_back({.what = operation::kind::va_mapping,
                   .frame = pte_mfn(mapping.val()),
                   .value = mapping.val(),
                   .va = mapping.va(),
                   .flags = mapping.flags()});
  } else {
    all.push_back({.name = name_of(call)});
  }
  return all;
}

operation operation_of(const recording::emulated_write& write) {
  const u64 offset = write.maddr() & PAGE_OFFSET_MASK;
  const unsigned shift = static_cast<unsigned>(offset % sizeof(pte_t) * 8);
  const u64 mask = write.bytes() >= sizeof(pte_t) ? ~u64{0} : (u64{1} << (write.bytes() * 8)) - 1;
  return {.what = operation::kind::trapped_store,
          .frame = maddr_to_mfn({write.maddr()}),
          .slot = static_cast<unsigned>(offset / sizeof(pte_t)),
          .value = (write.value() & mask) << shift,
          .written = mask << shift};
}

std::string_view name_of(const wire::hypercall& call) {
  switch (call.call_case()) {
    case wire::hypercall::kMmuUpdate: return "mmu_update";
    case wire::hypercall::kMmuextOp: return "mmuext_op";
    case wire::hypercall::kUpdateVaMapping: return "update_va_mapping";
    case wire::hypercall::kUpdateVaMappingOtherdomain: return "update_va_mapping_otherdomain";
    case wire::hypercall::kMulticall: return "multicall";
    case wire::hypercall::kSetGdt: return "set_gdt";
    case wire::hypercall::kUpdateDescriptor: return "update_descriptor";
    case wire::hypercall::kVmAssist: return "vm_assist";
    case wire::hypercall::kMemoryOp: return "memory_op";
    case wire::hypercall::kGrantTableOp: return "grant_table_op";
    default: return "other calls";
  }
}

}  // namespace pvmmu::compare
