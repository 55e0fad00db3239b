#include "proto/abi/hypercall.h"

#include <array>

namespace pvmmu {
namespace {

struct number_and_name {
  u64 number;
  std::string_view name;
};

struct describe {
  number_and_name operator()(const mmu_update_call&) const { return {HYPERVISOR_mmu_update, "mmu_update"}; }
  number_and_name operator()(const mmuext_op_call&) const { return {HYPERVISOR_mmuext_op, "mmuext_op"}; }
  number_and_name operator()(const update_va_mapping_call&) const {
    return {HYPERVISOR_update_va_mapping, "update_va_mapping"};
  }
  number_and_name operator()(const update_va_mapping_otherdomain_call&) const {
    return {HYPERVISOR_update_va_mapping_otherdomain, "update_va_mapping_otherdomain"};
  }
  number_and_name operator()(const multicall_call&) const { return {HYPERVISOR_multicall, "multicall"}; }
  number_and_name operator()(const set_gdt_call&) const { return {HYPERVISOR_set_gdt, "set_gdt"}; }
  number_and_name operator()(const update_descriptor_call&) const {
    return {HYPERVISOR_update_descriptor, "update_descriptor"};
  }
  number_and_name operator()(const vm_assist_call&) const { return {HYPERVISOR_vm_assist, "vm_assist"}; }
  number_and_name operator()(const grant_table_op_call&) const { return {HYPERVISOR_grant_table_op, "grant_table_op"}; }
  number_and_name operator()(const memory_op_call&) const { return {HYPERVISOR_memory_op, "memory_op"}; }
  number_and_name operator()(const iret_call&) const { return {HYPERVISOR_iret, "iret"}; }
  number_and_name operator()(const vcpu_op_call&) const { return {HYPERVISOR_vcpu_op, "vcpu_op"}; }
  number_and_name operator()(const unknown_call& c) const { return {c.op, "unknown"}; }
};

}  // namespace

u64 hypercall_number(const hypercall& call) { return std::visit(describe{}, call).number; }
std::string_view hypercall_name(const hypercall& call) { return std::visit(describe{}, call).name; }

gnttab_cmd grant_table_op_call::cmd() const {
  static constexpr std::array commands{GNTTABOP_map_grant_ref, GNTTABOP_unmap_grant_ref, GNTTABOP_set_version,
                                       GNTTABOP_get_status_frames};
  static_assert(commands.size() == std::variant_size_v<decltype(uop)>);
  return commands[uop.index()];
}

std::string_view gnttab_cmd_name(gnttab_cmd cmd) {
  switch (cmd) {
    case GNTTABOP_map_grant_ref: return "map_grant_ref";
    case GNTTABOP_unmap_grant_ref: return "unmap_grant_ref";
    case GNTTABOP_set_version: return "set_version";
    case GNTTABOP_get_status_frames: return "get_status_frames";
  }
  return "";
}

std::string_view mmuext_cmd_name(u32 cmd) {
  static constexpr std::array<std::string_view, 21> names = {
      "PIN_L1_TABLE",       "PIN_L2_TABLE",  "PIN_L3_TABLE",
      "PIN_L4_TABLE",       "UNPIN_TABLE",   "NEW_BASEPTR",
      "TLB_FLUSH_LOCAL",    "INVLPG_LOCAL",  "TLB_FLUSH_MULTI",
      "INVLPG_MULTI",       "TLB_FLUSH_ALL", "INVLPG_ALL",
      "FLUSH_CACHE",        "SET_LDT",       "",
      "NEW_USER_BASEPTR",   "CLEAR_PAGE",    "COPY_PAGE",
      "FLUSH_CACHE_GLOBAL", "MARK_SUPER",    "UNMARK_SUPER",
  };
  return cmd < names.size() ? names[cmd] : std::string_view{};
}

}  // namespace pvmmu
