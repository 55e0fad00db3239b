#include "tools/raw_call.h"

namespace pvmmu::tools {

namespace sc = pvmmu::scenario;

namespace {

/// Stands for the address of a vCPU mask in guest memory: Xen sees it as a pointer, the model as what lies there.
constexpr u64 some_pointer = 0x1000;

u64 resolve(const sc::entry& e, const name_resolver& names) {
  const mfn_t table = e.has_of() ? names.table(e.of()) : names.frame(e.table());
  const u64 slot = e.has_of() ? table_slot(e.of().va(), e.of().level()) : e.slot();
  return mfn_to_maddr(table, slot * sizeof(pte_t)).bytes;
}

/// What is written somewhere: a number, a `pte`, or the word given.
template <class Message>
u64 value_of(const Message& m, u64 number, bool has_word, const sc::word& word, const name_resolver& names) {
  return m.has_pte() ? resolve(m.pte(), names) : has_word ? resolve(word, names) : number;
}

done_arg pdone(scenario::done where, u32 value) {
  switch (where) {
    case sc::ABSENT: return {};
    case sc::UNWRITABLE: return {.where = done_arg::state::unwritable, .value = value};
    default: return {.where = done_arg::state::writable, .value = value};
  }
}

mmu_update_t resolve(const sc::mmu_update::update_request& r, const name_resolver& names) {
  mmu_update_t u;
  if (r.has_ptr()) u.ptr = r.ptr();
  if (r.has_entry()) u.ptr = resolve(r.entry(), names) | static_cast<u64>(r.command());
  if (r.has_ptr_word()) u.ptr = resolve(r.ptr_word(), names);
  if (r.has_machphys()) u.ptr = mfn_to_maddr(names.frame(r.machphys())).bytes | MMU_MACHPHYS_UPDATE;
  u.val = value_of(r, r.val(), r.has_val_word(), r.val_word(), names);
  return u;
}

mmuext_op_t resolve(const sc::mmuext_op::one_op& op, const name_resolver& names) {
  const u32 cmd = op.high_cmd() != 0 ? op.high_cmd() : static_cast<u32>(op.cmd());
  mmuext_op_t u{.cmd = cmd, .arg1 = op.arg1(), .arg2 = op.arg2(), .vcpumask = {}};
  if (op.has_frame()) u.arg1 = names.frame(op.frame()).n;
  if (op.has_at()) u.arg1 = names.address(op.at());
  if (op.has_arg1_word()) u.arg1 = resolve(op.arg1_word(), names);
  if (op.has_arg2_word()) u.arg2 = resolve(op.arg2_word(), names);
  if (op.has_source()) u.arg2 = names.frame(op.source()).n;
  const bool multi =
      op.cmd() == sc::mmuext_op::MMUEXT_TLB_FLUSH_MULTI || op.cmd() == sc::mmuext_op::MMUEXT_INVLPG_MULTI;
  if (multi && op.second_case() == sc::mmuext_op::one_op::SECOND_NOT_SET) u.arg2 = some_pointer;
  if (op.has_vcpumask()) u.vcpumask = op.vcpumask();
  return u;
}

}  // namespace

u64 resolve(const sc::pte& p, const name_resolver& names) {
  u64 flags = 0;
  for (const int bit : p.flag()) flags |= u64{1} << bit;  // the flags' numbers are their bits
  flags += p.bits();
  return p.has_frame() ? mfn_to_maddr(names.frame(p.frame()), flags).bytes : flags;
}

u64 resolve(const sc::word& w, const name_resolver& names) {
  switch (w.base_case()) {
    case sc::word::kPte: return resolve(w.pte(), names) + w.value();
    case sc::word::kMfn: return names.frame(w.mfn()).n + w.value();
    case sc::word::kMfnHigh: return (names.frame(w.mfn_high()).n << 32) + w.value();
    case sc::word::kAddress: return names.address(w.address()) + w.value();
    case sc::word::BASE_NOT_SET: return w.value();
    default: return names.word(w) + w.value();
  }
}

raw_call::raw_call(const sc::hypercall& spec, const name_resolver& names) : names_(names) { call_ = build(spec); }

hypercall raw_call::build(const sc::hypercall& spec) {
  switch (spec.call_case()) {
    case sc::hypercall::kMmuUpdate: return build(spec.mmu_update());
    case sc::hypercall::kMmuextOp: return build(spec.mmuext_op());
    case sc::hypercall::kUpdateVaMapping: return build(spec.update_va_mapping());
    case sc::hypercall::kMulticall: return build(spec.multicall());
    case sc::hypercall::kSetGdt: return build(spec.set_gdt());
    case sc::hypercall::kUpdateDescriptor: {
      const auto& u = spec.update_descriptor();
      const u64 maddr = u.has_entry()        ? resolve(u.entry(), names_)
                        : u.has_maddr_word() ? resolve(u.maddr_word(), names_)
                                             : u.maddr();
      return update_descriptor_call{.maddr = maddr, .desc = u.desc()};
    }
    case sc::hypercall::kVmAssist:
      return vm_assist_call{.cmd = spec.vm_assist().cmd(), .type = spec.vm_assist().type()};
    case sc::hypercall::kIret: return iret_call{.rax = spec.iret().rax()};
    default: return unknown_call{.op = spec.unknown()};
  }
}

hypercall raw_call::build(const sc::mmu_update& spec) {
  auto& list = ureqs_.emplace_back();
  for (const auto& r : spec.request()) list.push_back(resolve(r, names_));
  return mmu_update_call{.ureqs = {.entries = list, .null = spec.null_list()},
                         .count = spec.has_count() ? spec.count() : static_cast<u32>(list.size()),
                         .pdone = pdone(spec.done(), spec.done_value()),
                         .foreigndom = spec.has_foreigndom() ? spec.foreigndom() : DOMID_SELF};
}

hypercall raw_call::build(const sc::mmuext_op& spec) {
  auto& list = uops_.emplace_back();
  for (const auto& op : spec.op()) list.push_back(resolve(op, names_));
  return mmuext_op_call{.uops = {.entries = list, .null = spec.null_list()},
                        .count = spec.has_count() ? spec.count() : static_cast<u32>(list.size()),
                        .pdone = pdone(spec.done(), spec.done_value()),
                        .foreigndom = spec.has_foreigndom() ? spec.foreigndom() : DOMID_SELF};
}

hypercall raw_call::build(const sc::update_va_mapping& spec) const {
  update_va_mapping_call u{.va = names_.address(spec.at()),
                           .val = value_of(spec, spec.val(), spec.has_val_word(), spec.val_word(), names_),
                           .flags = spec.has_flags() ? spec.flags() : static_cast<u64>(spec.flush()),
                           .vcpumask = {}};
  if (spec.scope() == sc::update_va_mapping::ALL) u.flags |= UVMF_ALL;
  if (spec.scope() == sc::update_va_mapping::MASK) u.flags = (u.flags & UVMF_FLUSHTYPE_MASK) | some_pointer;
  if (spec.has_vcpumask()) u.vcpumask = spec.vcpumask();
  if (!spec.has_otherdomain()) return u;
  return update_va_mapping_otherdomain_call{.update = u, .domid = static_cast<domid_t>(spec.otherdomain())};
}

hypercall raw_call::build(const sc::multicall& spec) {
  std::vector<multicall_entry> entries;
  for (const auto& call : spec.call()) entries.push_back({.call = build(call)});
  auto& list = calls_.emplace_back(std::move(entries));
  return multicall_call{.call_list = list,
                        .null = spec.null_list(),
                        .nr_calls = spec.has_nr_calls() ? spec.nr_calls() : static_cast<u32>(list.size())};
}

hypercall raw_call::build(const sc::set_gdt& spec) {
  auto& list = frames_.emplace_back();
  for (const auto& f : spec.frame()) list.push_back(names_.frame(f).n);
  for (const auto& w : spec.word()) list.push_back(resolve(w, names_));
  return set_gdt_call{.frame_list = {.entries = list, .null = spec.null_list()},
                      .entries = spec.has_entries() ? spec.entries() : static_cast<u32>(list.size() * 512)};
}

access_request raw_access(const sc::access& spec, const name_resolver& names) {
  return {.kind = static_cast<access_kind>(spec.kind()),
          .mode = static_cast<cpu_mode>(spec.mode()),
          .bytes = static_cast<u8>(spec.has_bytes() ? spec.bytes() : 8),
          .va = spec.has_at() ? names.address(spec.at()) : 0,
          .value = value_of(spec, spec.value(), spec.has_value_word(), spec.value_word(), names),
          .expected = spec.has_expected_word() ? resolve(spec.expected_word(), names) : spec.expected()};
}

}  // namespace pvmmu::tools
