// Hypercalls and what they write: the part of the codec that owns lists.

#include "proto/codec.h"

#include <cassert>

#include "proto/codec_grants.h"

namespace pvmmu {

namespace {

/// Protobuf counts in int.
template <class List>
std::size_t size_of(const List& list) {
  return static_cast<std::size_t>(list.size());
}

template <class Message>
void encode_done(const done_arg& done, Message& message) {
  if (done.where == done_arg::state::absent) return;
  message.mutable_pdone()->set_unwritable(done.where == done_arg::state::unwritable);
  message.mutable_pdone()->set_value(done.value);
}

template <class Message>
done_arg decode_done(const Message& message) {
  if (!message.has_pdone()) return {};
  const auto where = message.pdone().unwritable() ? done_arg::state::unwritable : done_arg::state::writable;
  return {.where = where, .value = message.pdone().value()};
}

/// Foreign domains are the exception.
template <class Message>
void encode_foreigndom(u32 foreigndom, Message& message) {
  if (foreigndom != DOMID_SELF) message.set_foreigndom(foreigndom);
}

template <class Message>
u32 decode_foreigndom(const Message& message) {
  return message.has_foreigndom() ? message.foreigndom() : DOMID_SELF;
}

template <class Message>
vcpumask_arg decode_vcpumask(const Message& message) {
  return message.has_vcpumask() ? vcpumask_arg(message.vcpumask()) : std::nullopt;
}

void encode_call(const update_va_mapping_call& call, wire::update_va_mapping_call& message) {
  message.set_va(call.va);
  message.set_val(call.val);
  message.set_flags(call.flags);
  if (call.vcpumask) message.set_vcpumask(*call.vcpumask);
}

update_va_mapping_call decode_call(const wire::update_va_mapping_call& message) {
  return {.va = message.va(), .val = message.val(), .flags = message.flags(), .vcpumask = decode_vcpumask(message)};
}

/// Puts each kind of call into the message's field for it.
struct call_encoder {
  wire::hypercall& message;

  void operator()(const mmu_update_call& call) const {
    auto& out = *message.mutable_mmu_update();
    out.mutable_ureqs()->Reserve(static_cast<int>(call.ureqs.entries.size()));
    for (const mmu_update_t& u : call.ureqs.entries) {
      auto& entry = *out.add_ureqs();
      entry.set_ptr(u.ptr);
      entry.set_val(u.val);
    }
    out.set_null_list(call.ureqs.null);
    out.set_count(call.count);
    encode_done(call.pdone, out);
    encode_foreigndom(call.foreigndom, out);
  }

  void operator()(const mmuext_op_call& call) const {
    auto& out = *message.mutable_mmuext_op();
    for (const mmuext_op_t& op : call.uops.entries) {
      auto& entry = *out.add_uops();
      entry.set_cmd(op.cmd);
      entry.set_arg1(op.arg1);
      entry.set_arg2(op.arg2);
      if (op.vcpumask) entry.set_vcpumask(*op.vcpumask);
    }
    out.set_null_list(call.uops.null);
    out.set_count(call.count);
    encode_done(call.pdone, out);
    encode_foreigndom(call.foreigndom, out);
  }

  void operator()(const update_va_mapping_call& call) const { encode_call(call, *message.mutable_update_va_mapping()); }

  void operator()(const update_va_mapping_otherdomain_call& call) const {
    auto& out = *message.mutable_update_va_mapping_otherdomain();
    encode_call(call.update, *out.mutable_update());
    out.set_domid(call.domid);
  }

  void operator()(const multicall_call& call) const {
    auto& out = *message.mutable_multicall();
    for (const multicall_entry& entry : call.call_list) encode(entry.call, *out.add_call_list());
    out.set_null_list(call.null);
    out.set_nr_calls(call.nr_calls);
  }

  void operator()(const set_gdt_call& call) const {
    auto& out = *message.mutable_set_gdt();
    out.mutable_frame_list()->Add(call.frame_list.entries.begin(), call.frame_list.entries.end());
    out.set_null_list(call.frame_list.null);
    out.set_entries(call.entries);
  }

  void operator()(const update_descriptor_call& call) const {
    message.mutable_update_descriptor()->set_maddr(call.maddr);
    message.mutable_update_descriptor()->set_desc(call.desc);
  }

  void operator()(const vm_assist_call& call) const {
    message.mutable_vm_assist()->set_cmd(call.cmd);
    message.mutable_vm_assist()->set_type(call.type);
  }

  void operator()(const grant_table_op_call& call) const { encode(call, *message.mutable_grant_table_op()); }
  void operator()(const memory_op_call& call) const { encode(call, *message.mutable_memory_op()); }

  void operator()(const iret_call& call) const { message.mutable_iret()->set_rax(call.rax); }

  void operator()(const vcpu_op_call& call) const {
    auto& out = *message.mutable_vcpu_op();
    out.set_cmd(call.cmd);
    out.set_vcpuid(call.vcpuid);
    if (!call.arg) return;
    auto& arg = *out.mutable_arg();
    arg.set_flags(call.arg->flags);
    arg.set_rip(call.arg->rip);
    arg.set_ldt_base(call.arg->ldt_base);
    arg.set_ldt_ents(call.arg->ldt_ents);
    arg.mutable_gdt_frames()->Add(call.arg->gdt_frames.begin(), call.arg->gdt_frames.end());
    arg.set_gdt_ents(call.arg->gdt_ents);
    arg.set_user_cr3(call.arg->user_cr3);
    arg.set_cr3(call.arg->cr3);
  }

  void operator()(const unknown_call& call) const { message.mutable_unknown()->set_op(call.op); }
};

/// The pdone of a call that has one, const or not as the call is.
template <class Call>
auto* done_of(Call& call) {
  if (auto* update = std::get_if<mmu_update_call>(&call)) return &update->pdone;
  auto* ext = std::get_if<mmuext_op_call>(&call);
  return ext ? &ext->pdone : nullptr;
}

void put_entries(std::span<const multicall_entry> entries, wire::call_outcome& message);

void put_outcome(const hypercall& call, wire::call_outcome& message) {
  if (const done_arg* done = done_of(call); done && done->written) message.set_done(done->value);
  if (const auto* multicall = std::get_if<multicall_call>(&call)) put_entries(multicall->call_list, message);
  if (const auto* op = std::get_if<grant_table_op_call>(&call)) put_grants(*op, message);
  if (const auto* memory_op = std::get_if<memory_op_call>(&call)) encode_outcome(*memory_op, message);
}

void put_entries(std::span<const multicall_entry> entries, wire::call_outcome& message) {
  for (const multicall_entry& entry : entries) {
    auto& out = *message.add_entries();
    out.set_result(entry.result);
    out.set_overwritten(entry.overwritten);
    put_outcome(entry.call, out);
  }
}

}  // namespace

struct decoded_call::sizes {
  std::size_t ureqs = 0;
  std::size_t uops = 0;
  std::size_t frames = 0;
  std::size_t maps = 0;
  std::size_t unmaps = 0;
  std::size_t multicall_entries = 0;
};

decode_result<void> decoded_call::measure(const wire::hypercall& message, unsigned depth, sizes& total) {
  switch (message.call_case()) {
    case wire::hypercall::CALL_NOT_SET:
      return std::unexpected(
          "a hypercall without a call that this version knows: expected mmu_update, mmuext_op, update_va_mapping, "
          "update_va_mapping_otherdomain, multicall, set_gdt, update_descriptor, vm_assist, grant_table_op, "
          "memory_op, iret, vcpu_op or unknown");
    case wire::hypercall::kMmuUpdate: total.ureqs += size_of(message.mmu_update().ureqs()); break;
    case wire::hypercall::kMmuextOp: total.uops += size_of(message.mmuext_op().uops()); break;
    case wire::hypercall::kSetGdt: total.frames += size_of(message.set_gdt().frame_list()); break;
    case wire::hypercall::kVcpuOp:
      if (message.vcpu_op().arg().gdt_frames_size() > 16)
        return std::unexpected("vcpu_op: " + std::to_string(message.vcpu_op().arg().gdt_frames_size()) +
                               " frames of a GDT, expected at most 16");
      total.frames += size_of(message.vcpu_op().arg().gdt_frames());
      break;
    case wire::hypercall::kMemoryOp: {
      const auto extents = count_extents(message.memory_op());
      if (!extents) return std::unexpected("memory_op: " + extents.error());
      total.frames += *extents;
      break;
    }
    case wire::hypercall::kUpdateVaMappingOtherdomain:
      if (auto domid = decode_domid(message.update_va_mapping_otherdomain().domid()); !domid)
        return std::unexpected("update_va_mapping_otherdomain: " + domid.error());
      break;
    case wire::hypercall::kGrantTableOp:
      if (auto ok = check(message.grant_table_op()); !ok) return ok;
      total.maps += size_of(message.grant_table_op().map());
      total.unmaps += size_of(message.grant_table_op().unmap());
      total.frames += size_of(message.grant_table_op().get_status_frames().frame_list());
      break;
    case wire::hypercall::kMulticall:
      if (depth == max_multicall_depth)
        return std::unexpected("multicalls stand in each other more than " + std::to_string(depth) + " deep");
      total.multicall_entries += size_of(message.multicall().call_list());
      for (int i = 0; const wire::hypercall& entry : message.multicall().call_list()) {
        if (auto ok = measure(entry, depth + 1, total); !ok)
          return std::unexpected("multicall entry " + std::to_string(i) + ": " + ok.error());
        ++i;
      }
      break;
    default: break;
  }
  return {};
}

decode_result<void> decoded_call::decode(const wire::hypercall& message) {
  sizes total;
  if (auto ok = measure(message, 0, total); !ok) return ok;
  reserve(total);
  call_ = take(message);
  const auto* multicall = std::get_if<multicall_call>(&call_);
  entries_ = multicall ? multicall->call_list : std::span<multicall_entry>();
  return {};
}

/// From here on the lists do not move.
void decoded_call::reserve(const sizes& total) {
  ureqs_.clear();
  uops_.clear();
  frames_.clear();
  maps_.clear();
  unmaps_.clear();
  multicall_entries_.clear();
  ureqs_.reserve(total.ureqs);
  uops_.reserve(total.uops);
  frames_.reserve(total.frames);
  maps_.reserve(total.maps);
  unmaps_.reserve(total.unmaps);
  multicall_entries_.reserve(total.multicall_entries);
}

hypercall decoded_call::take(const wire::hypercall& message) {
  switch (message.call_case()) {
    case wire::hypercall::kMmuUpdate: return take(message.mmu_update());
    case wire::hypercall::kMmuextOp: return take(message.mmuext_op());
    case wire::hypercall::kUpdateVaMapping: return decode_call(message.update_va_mapping());
    case wire::hypercall::kUpdateVaMappingOtherdomain: {
      const auto& in = message.update_va_mapping_otherdomain();
      return update_va_mapping_otherdomain_call{decode_call(in.update()), static_cast<domid_t>(in.domid())};
    }
    case wire::hypercall::kMulticall: return take(message.multicall());
    case wire::hypercall::kSetGdt: return take(message.set_gdt());
    case wire::hypercall::kUpdateDescriptor:
      return update_descriptor_call{message.update_descriptor().maddr(), message.update_descriptor().desc()};
    case wire::hypercall::kVmAssist: return vm_assist_call{message.vm_assist().cmd(), message.vm_assist().type()};
    case wire::hypercall::kGrantTableOp: return take(message.grant_table_op());
    case wire::hypercall::kMemoryOp: return take(message.memory_op());
    case wire::hypercall::kIret: return iret_call{message.iret().rax()};
    case wire::hypercall::kVcpuOp: return take(message.vcpu_op());
    case wire::hypercall::kUnknown: return unknown_call{message.unknown().op()};
    case wire::hypercall::CALL_NOT_SET: break;
  }
  assert(false && "measured before");
  return {};
}

hypercall decoded_call::take(const wire::mmu_update_call& message) {
  const std::size_t at = ureqs_.size();
  for (const wire::mmu_update_t& u : message.ureqs()) ureqs_.push_back({u.ptr(), u.val()});
  return mmu_update_call{.ureqs = {std::span(ureqs_).subspan(at), message.null_list()},
                         .count = message.count(),
                         .pdone = decode_done(message),
                         .foreigndom = decode_foreigndom(message)};
}

hypercall decoded_call::take(const wire::mmuext_op_call& message) {
  const std::size_t at = uops_.size();
  for (const wire::mmuext_op_t& op : message.uops())
    uops_.push_back({.cmd = op.cmd(), .arg1 = op.arg1(), .arg2 = op.arg2(), .vcpumask = decode_vcpumask(op)});
  return mmuext_op_call{.uops = {std::span(uops_).subspan(at), message.null_list()},
                        .count = message.count(),
                        .pdone = decode_done(message),
                        .foreigndom = decode_foreigndom(message)};
}

hypercall decoded_call::take(const wire::multicall_call& message) {
  const std::size_t at = multicall_entries_.size();
  const std::size_t size = size_of(message.call_list());
  multicall_entries_.resize(at + size);  // of one list side by side, before the lists inside it
  for (std::size_t i = 0; i < size; ++i) multicall_entries_[at + i].call = take(message.call_list(static_cast<int>(i)));
  return multicall_call{.call_list = std::span(multicall_entries_).subspan(at, size),
                        .null = message.null_list(),
                        .nr_calls = message.nr_calls()};
}

hypercall decoded_call::take(const wire::vcpu_op_call& message) {
  vcpu_op_call call{.cmd = message.cmd(), .vcpuid = message.vcpuid()};
  if (!message.has_arg()) return call;
  const wire::vcpu_guest_context& arg = message.arg();
  const std::size_t at = frames_.size();
  frames_.insert(frames_.end(), arg.gdt_frames().begin(), arg.gdt_frames().end());
  call.arg = vcpu_guest_context{.flags = arg.flags(),
                                .rip = arg.rip(),
                                .ldt_base = arg.ldt_base(),
                                .ldt_ents = arg.ldt_ents(),
                                .gdt_frames = std::span(frames_).subspan(at),
                                .gdt_ents = arg.gdt_ents(),
                                .user_cr3 = arg.user_cr3(),
                                .cr3 = arg.cr3()};
  return call;
}

hypercall decoded_call::take(const wire::set_gdt_call& message) {
  const std::size_t at = frames_.size();
  frames_.insert(frames_.end(), message.frame_list().begin(), message.frame_list().end());
  return set_gdt_call{.frame_list = {std::span(frames_).subspan(at), message.null_list()},
                      .entries = message.entries()};
}

void decoded_call::encode_outcome(long result, wire::call_outcome& message) const {
  message.set_result(result);
  if (std::holds_alternative<multicall_call>(call_)) return put_entries(entries_, message);
  put_outcome(call_, message);
}

void encode(const hypercall& call, wire::hypercall& message) { std::visit(call_encoder{message}, call); }

namespace {

decode_result<void> apply_done(const wire::call_outcome& message, hypercall& call) {
  if (!message.has_done()) return {};
  done_arg* done = done_of(call);
  if (!done || done->where != done_arg::state::writable) return std::unexpected("done of a call that passed none");
  done->value = message.done();
  done->written = true;
  return {};
}

}  // namespace

decode_result<long> apply_outcome(const wire::call_outcome& message, hypercall& call) {
  if (auto ok = apply_done(message, call); !ok) return std::unexpected(ok.error());
  if (auto ok = apply_grants(message, call); !ok) return std::unexpected(ok.error());
  if (message.has_memory_op()) {
    if (auto ok = apply_outcome(message.memory_op(), call); !ok) return std::unexpected(ok.error());
  }
  auto* multicall = std::get_if<multicall_call>(&call);
  const std::size_t expected = multicall ? multicall->call_list.size() : 0;
  const std::size_t found = size_of(message.entries());
  if (found != expected)
    return std::unexpected("results of " + std::to_string(found) + " multicall entries, expected " +
                           std::to_string(expected));
  for (std::size_t i = 0; i < expected; ++i) {
    const wire::call_outcome& outcome = message.entries(static_cast<int>(i));
    multicall_entry& entry = multicall->call_list[i];
    auto result = apply_outcome(outcome, entry.call);
    if (!result) return result;
    entry.result = *result;
    entry.overwritten = outcome.overwritten();
  }
  return message.result();
}

}  // namespace pvmmu
