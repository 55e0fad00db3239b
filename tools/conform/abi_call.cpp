#include "tools/conform/abi_call.h"

#include <cassert>

#include "tools/conform/raw_grant_call.h"

namespace pvmmu::conform {
namespace {

u64 mfn_of(const lab::placement& where, u32 name) { return where.frame(name).value_or(INVALID_MFN).n; }

u64 earlier_word(const std::vector<lab::answer>& earlier, u32 index) {
  const auto& blobs = earlier.at(index >> 16).blobs;
  u32 word = index & 0xffff;
  for (const auto& blob : blobs) {
    if (word < blob.size()) return blob[word];
    word -= static_cast<u32>(blob.size());
  }
  return 0;
}

/// A list of grants as it lies in memory.
void put_words(std::span<const gnttab_map_grant_ref_t> list, std::vector<u64>& words) {
  for (const gnttab_map_grant_ref_t& op : list)
    words.insert(words.end(),
                 {op.host_addr, op.flags | u64{op.ref} << 32,
                  op.dom | u64{static_cast<u16>(op.status)} << 16 | u64{op.handle} << 32, op.dev_bus_addr});
}

void put_words(std::span<const gnttab_unmap_grant_ref_t> list, std::vector<u64>& words) {
  for (const gnttab_unmap_grant_ref_t& op : list)
    words.insert(words.end(), {op.host_addr, op.dev_bus_addr, op.handle | u64{static_cast<u16>(op.status)} << 32});
}

void put_words(const gnttab_set_version_t& op, std::vector<u64>& words) { words.push_back(op.version); }

void put_words(const gnttab_get_status_frames_t& op, std::vector<u64>& words) {
  words.assign(op.frame_list.begin(), op.frame_list.end());
}

/// What a grant's call has left in its list.
std::vector<u64> list_of(const hypercall& call) {
  std::vector<u64> words;
  if (const auto* c = std::get_if<grant_table_op_call>(&call))
    std::visit([&words](const auto& list) { put_words(list, words); }, c->uop);
  return words;
}

/// A multicall's entries report their lists of grants, and nothing of raw calls.
std::vector<u64> entry_list(const hypercall& call) {
  const auto* c = std::get_if<grant_table_op_call>(&call);
  const bool raw = c && c->cmd() != GNTTABOP_map_grant_ref && c->cmd() != GNTTABOP_unmap_grant_ref;
  return raw ? std::vector<u64>{} : list_of(call);
}

/// What Xen may have written to `pdone`, if the guest can read it.
std::optional<u32> done_of(const hypercall& call) {
  const auto read = [](const done_arg& pdone) {
    return pdone.where == done_arg::state::writable ? std::optional{pdone.value} : std::nullopt;
  };
  if (const auto* c = std::get_if<mmu_update_call>(&call)) return read(c->pdone);
  if (const auto* c = std::get_if<mmuext_op_call>(&call)) return read(c->pdone);
  return std::nullopt;
}

lab::memory_answer memory_of(const hypercall& call) {
  const auto* c = std::get_if<memory_op_call>(&call);
  const extent_list* list = c ? written_extents(*c) : nullptr;
  return list ? lab::memory_answer{{list->entries.begin(), list->entries.end()}, written_number(*c)}
              : lab::memory_answer{};
}

}  // namespace

u64 names::operator()(const lab::word& w) const {
  using enum probe::word_kind;
  switch (w.kind) {
    case maddr: return w.value + (mfn_of(where, w.index) << PAGE_SHIFT);
    case mfn: return w.value + mfn_of(where, w.index);
    case window: return w.value + where.window_va + (u64{w.index} << PAGE_SHIFT);
    case l4_entry: return w.value + l4[w.index];
    case mfn_high: return w.value + (mfn_of(where, w.index) << 32);
    case grant_high: return w.value + (u64{where.first_grant + w.index} << 32);
    case grant_maddr:
      return w.value +
             mfn_to_maddr(where.grant_table, (where.first_grant + w.index) % probe::grants_per_frame * 8).bytes;
    case earlier_high: return w.value + (earlier_word(earlier, w.index) >> 32);
    case plain:
    case blob:
    case unmapped: break;
  }
  return w.value;
}

abi_call::abi_call(const lab::call& c, const names& number) : number_(number) {
  call_ = std::visit([this](const auto& typed) { return convert(typed); }, c);
}

hypercall abi_call::convert(const lab::mmu_update& c) {
  auto& list = ureqs_.emplace_back();
  if (!c.null_list)
    for (const lab::mmu_update_entry& e : c.ureqs) list.push_back({number_(e.ptr), number_(e.val)});
  return mmu_update_call{.ureqs = {list, c.null_list}, .count = c.count, .pdone = c.pdone, .foreigndom = c.foreigndom};
}

hypercall abi_call::convert(const lab::mmuext_op& c) {
  auto& list = uops_.emplace_back();
  if (!c.null_list)
    for (const lab::mmuext_entry& e : c.uops) list.push_back({e.cmd, number_(e.arg1), number_(e.arg2), e.vcpumask});
  return mmuext_op_call{.uops = {list, c.null_list}, .count = c.count, .pdone = c.pdone, .foreigndom = c.foreigndom};
}

hypercall abi_call::convert(const lab::update_va_mapping& c) {
  // Some address: what lies there is in vcpumask.
  constexpr u64 mask_address = 0xffffffff80000100;
  const u64 flags = c.mask_scope ? (c.flags & UVMF_FLUSHTYPE_MASK) | mask_address : c.flags;
  const update_va_mapping_call update{
      .va = number_(c.va), .val = number_(c.val), .flags = flags, .vcpumask = c.vcpumask};
  if (c.otherdomain) return update_va_mapping_otherdomain_call{update, *c.otherdomain};
  return update;
}

hypercall abi_call::convert(const lab::set_gdt& c) {
  auto& list = frame_lists_.emplace_back();
  if (!c.null_list)
    for (const lab::word& frame : c.frame_list) list.push_back(number_(frame));
  return set_gdt_call{.frame_list = {list, c.null_list}, .entries = c.entries};
}

hypercall abi_call::convert(const lab::update_descriptor& c) {
  return update_descriptor_call{.maddr = number_(c.maddr), .desc = c.desc};
}

hypercall abi_call::convert(const lab::vm_assist& c) { return vm_assist_call{.cmd = c.cmd, .type = c.type}; }

hypercall abi_call::convert(const lab::map_grant_ref& c) {
  auto& list = maps_.emplace_back();
  for (const lab::grant_map_entry& e : c.uop) {
    const u64 ref = number_(e.ref) + e.flags;
    list.push_back({.host_addr = number_(e.host_addr),
                    .flags = static_cast<u32>(ref),
                    .ref = static_cast<u32>(ref >> 32),
                    .dom = e.dom,
                    .handle = lab::no_handle});
  }
  return grant_table_op_call{.uop = std::span(list), .count = c.count};
}

hypercall abi_call::convert(const lab::unmap_grant_ref& c) {
  auto& list = unmaps_.emplace_back();
  for (const lab::grant_unmap_entry& e : c.uop)
    list.push_back({.host_addr = number_(e.host_addr),
                    .dev_bus_addr = number_(e.dev_bus_addr),
                    .handle = static_cast<u32>(number_(e.handle))});
  return grant_table_op_call{.uop = std::span(list), .count = c.count};
}

extent_list abi_call::extents_of(const lab::extent_words& words) {
  auto& list = frame_lists_.emplace_back();
  if (words.at && words.at->kind == probe::word_kind::unmapped) return {list};
  if (words.at) return {list, number_(*words.at)};
  for (const lab::word& w : words.words) list.push_back(number_(w));
  return {list};
}

xen_memory_reservation abi_call::reservation(const lab::memory_reservation& r) {
  return {extents_of(r.extents), r.nr_extents, r.extent_order, r.mem_flags, r.domid};
}

hypercall abi_call::convert(const lab::memory_op& c) {
  memory_op_call call{.cmd = c.cmd};
  if (const auto* r = std::get_if<lab::memory_reservation>(&c.arg)) call.arg = reservation(*r);
  if (const auto* e = std::get_if<lab::memory_exchange>(&c.arg))
    call.arg = xen_memory_exchange{reservation(e->in), reservation(e->out), e->nr_exchanged};
  if (const auto* list = std::get_if<lab::machphys_mfn_list>(&c.arg))
    call.arg = xen_machphys_mfn_list{list->max_extents, extents_of(list->extents)};
  return call;
}

hypercall abi_call::convert(const lab::iret& c) { return iret_call{.rax = c.rax}; }

hypercall abi_call::convert(const lab::vcpu_op& c) {
  vcpu_op_call call{.cmd = c.cmd, .vcpuid = c.vcpuid};
  if (!c.arg) return call;
  auto& frames = frame_lists_.emplace_back();
  for (const lab::word& frame : c.arg->gdt_frames) frames.push_back(number_(frame));
  call.arg = vcpu_guest_context{.flags = c.arg->flags,
                                .rip = c.arg->rip,
                                .ldt_base = c.arg->ldt_base,
                                .ldt_ents = c.arg->ldt_ents,
                                .gdt_frames = frames,
                                .gdt_ents = c.arg->gdt_ents,
                                .user_cr3 = number_(c.arg->user_cr3),
                                .cr3 = number_(c.arg->cr3)};
  return call;
}

hypercall abi_call::convert(const lab::raw_call& c) {
  // Only another multicall's entry asks for it so, with a list of nothing.
  if (c.op == HYPERVISOR_multicall) return multicall_call{.null = true};
  if (const auto grants = raw_grant_call(c, number_, frame_lists_.emplace_back())) return *grants;
  return unknown_call{c.op};
}

hypercall abi_call::convert(const lab::multicall& c) {
  entries_.resize(c.entries.size());
  for (std::size_t i = 0; i < entries_.size(); ++i)
    entries_[i].call = std::visit([this](const auto& typed) { return convert(typed); }, c.entries[i]);
  return multicall_call{.call_list = entries_, .null = c.null_list, .nr_calls = c.nr_calls};
}

hypercall abi_call::convert(const lab::memory_access&) {
  assert(false && "an access is no hypercall");
  return unknown_call{};
}

lab::answer abi_call::answer(s64 result) const {
  lab::answer a{.result = result, .done = done_of(call_), .memory = memory_of(call_)};
  if (std::holds_alternative<grant_table_op_call>(call_)) a.blobs.push_back(list_of(call_));
  for (const multicall_entry& e : entries_)
    a.entries.push_back({e.result, done_of(e.call), entry_list(e.call), memory_of(e.call)});
  return a;
}

}  // namespace pvmmu::conform
