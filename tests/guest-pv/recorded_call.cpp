#include "tests/guest-pv/recorded_call.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace pvmmu::guest {
namespace {

std::string name_of(mfn_t mfn, const frame_names& names) {
  const auto found = names.find(mfn);
  return found == names.end() ? "?" : found->second;
}

std::string describe_update(const mmu_update_t& u, const frame_names& names) {
  const u64 cmd = u.ptr & 7;
  const u64 maddr = u.ptr - cmd;
  const std::string value = u.val == 0 ? "0" : name_of(pte_mfn(u.val), names);
  return fmt::format("{}[{}]={}{}", name_of(maddr_to_mfn({maddr}), names), (maddr & PAGE_OFFSET_MASK) / 8, value,
                     cmd == MMU_PT_UPDATE_PRESERVE_AD ? " keeping A/D" : "");
}

std::string describe_op(const mmuext_op_t& op, const frame_names& names) {
  const bool on_frame = op.cmd <= MMUEXT_NEW_BASEPTR || op.cmd == MMUEXT_NEW_USER_BASEPTR;
  std::string text(mmuext_cmd_name(op.cmd));
  if (on_frame) text.append(" ").append(op.arg1 == 0 ? "0" : name_of({op.arg1}, names));
  if (op.cmd == MMUEXT_INVLPG_LOCAL || op.cmd == MMUEXT_INVLPG_MULTI) text += fmt::format(" {:#x}", op.arg1);
  if (op.vcpumask) text += fmt::format(" vcpus {:#x}", *op.vcpumask);
  return text;
}

std::string describe_va_mapping(const update_va_mapping_call& call, const frame_names& names) {
  if (call.val == 0) return fmt::format("va {:#x}=0", call.va);
  return fmt::format("va {} {}{}", (call.val & PAGE_RW) != 0 ? "RW" : "RO", name_of(pte_mfn(call.val), names),
                     call.flags == UVMF_TLB_FLUSH ? " +flush" : "");
}

}  // namespace

recorded_call record(const hypercall& call, std::string_view caller) {
  recorded_call r{.caller = std::string(caller), .number = hypercall_number(call)};
  if (const auto* update = std::get_if<mmu_update_call>(&call)) {
    r.updates.assign(update->ureqs.entries.begin(), update->ureqs.entries.end());
  } else if (const auto* op = std::get_if<mmuext_op_call>(&call)) {
    r.ops.assign(op->uops.entries.begin(), op->uops.entries.end());
  } else if (const auto* mapping = std::get_if<update_va_mapping_call>(&call)) {
    r.va_mapping = *mapping;
  } else if (const auto* batch = std::get_if<multicall_call>(&call)) {
    for (const multicall_entry& e : batch->call_list) r.entries.push_back(record(e.call, caller));
  }
  return r;
}

std::string describe(const recorded_call& call, const frame_names& names) {
  std::vector<std::string> parts;
  parts.reserve(call.updates.size() + call.ops.size() + call.entries.size());
  for (const mmu_update_t& u : call.updates) parts.push_back(describe_update(u, names));
  for (const mmuext_op_t& op : call.ops) parts.push_back(describe_op(op, names));
  for (const recorded_call& e : call.entries) parts.push_back(describe(e, names));
  switch (call.number) {
    case 0: return "trap " + parts.at(0);
    case HYPERVISOR_mmu_update: return fmt::format("mmu_update{{{}}}", fmt::join(parts, ", "));
    case HYPERVISOR_mmuext_op: return fmt::format("{}", fmt::join(parts, " + "));
    case HYPERVISOR_update_va_mapping: return describe_va_mapping(call.va_mapping, names);
    case HYPERVISOR_multicall: return fmt::format("multicall{{{}}}", fmt::join(parts, ", "));
    default: return fmt::format("hypercall {}", call.number);
  }
}

std::vector<std::string> describe(const std::vector<recorded_call>& calls, const frame_names& names) {
  std::vector<std::string> lines;
  std::string last;
  u64 times = 0;
  const auto finish = [&] {
    if (times > 0) lines.push_back(times > 1 ? fmt::format("{} x {}", times, last) : last);
  };
  for (const recorded_call& call : calls) {
    std::string line = call.caller + ": " + describe(call, names);
    if (line == last) {
      ++times;
      continue;
    }
    finish();
    last = std::move(line);
    times = 1;
  }
  finish();
  return lines;
}

}  // namespace pvmmu::guest
