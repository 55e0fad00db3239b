// memory_op and what it writes: lists of frames inside structures.

#include <algorithm>

#include "proto/codec.h"

namespace pvmmu {

namespace {

template <class Message>
void encode_extents(const extent_list& list, Message& message) {
  message.mutable_extents()->Add(list.entries.begin(), list.entries.end());
  if (list.va != extent_list::anywhere) message.set_va(list.va);
}

void encode_reservation(const xen_memory_reservation& r, wire::memory_reservation& message) {
  encode_extents(r.extent_start, message);
  message.set_nr_extents(r.nr_extents);
  message.set_extent_order(r.extent_order);
  message.set_mem_flags(r.mem_flags);
  if (r.domid != DOMID_SELF) message.set_domid(r.domid);
}

/// Puts memory_op's structure into the message's field for it.
struct memory_op_encoder {
  wire::memory_op_call& message;

  void operator()(const std::monostate&) const {}
  void operator()(const xen_memory_reservation& r) const { encode_reservation(r, *message.mutable_reservation()); }
  void operator()(const xen_memory_exchange& e) const {
    auto& out = *message.mutable_exchange();
    encode_reservation(e.in, *out.mutable_in());
    encode_reservation(e.out, *out.mutable_out());
    out.set_nr_exchanged(e.nr_exchanged);
  }
  void operator()(const xen_machphys_mfn_list& list) const {
    auto& out = *message.mutable_machphys_mfn_list();
    encode_extents(list.extent_start, out);
    out.set_max_extents(list.max_extents);
  }
};

}  // namespace

void encode(const memory_op_call& call, wire::memory_op_call& message) {
  message.set_cmd(call.cmd);
  std::visit(memory_op_encoder{message}, call.arg);
}

decode_result<std::size_t> count_extents(const wire::memory_op_call& message) {
  auto total = static_cast<std::size_t>(message.machphys_mfn_list().extents().size());
  for (const auto* r : {&message.reservation(), &message.exchange().in(), &message.exchange().out()}) {
    if (auto domid = decode_domid(r->domid()); !domid) return std::unexpected(domid.error());
    total += static_cast<std::size_t>(r->extents().size());
  }
  return total;
}

template <class Message>
extent_list decoded_call::take_extents(const Message& message) {
  const std::size_t at = frames_.size();
  frames_.insert(frames_.end(), message.extents().begin(), message.extents().end());
  return {std::span(frames_).subspan(at), message.has_va() ? message.va() : extent_list::anywhere};
}

xen_memory_reservation decoded_call::take_reservation(const wire::memory_reservation& message) {
  return {.extent_start = take_extents(message),
          .nr_extents = message.nr_extents(),
          .extent_order = message.extent_order(),
          .mem_flags = message.mem_flags(),
          .domid = message.has_domid() ? static_cast<domid_t>(message.domid()) : DOMID_SELF};
}

hypercall decoded_call::take(const wire::memory_op_call& message) {
  memory_op_call call{.cmd = message.cmd()};
  switch (message.arg_case()) {
    case wire::memory_op_call::kReservation: call.arg = take_reservation(message.reservation()); break;
    case wire::memory_op_call::kExchange: {
      const auto& e = message.exchange();
      call.arg = xen_memory_exchange{take_reservation(e.in()), take_reservation(e.out()), e.nr_exchanged()};
      break;
    }
    case wire::memory_op_call::kMachphysMfnList: {
      const auto& list = message.machphys_mfn_list();
      call.arg = xen_machphys_mfn_list{.max_extents = list.max_extents(), .extent_start = take_extents(list)};
      break;
    }
    case wire::memory_op_call::ARG_NOT_SET: break;
  }
  return call;
}

void encode_outcome(const memory_op_call& call, wire::call_outcome& message) {
  const extent_list* const list = written_extents(call);
  if (!list) return;
  auto& out = *message.mutable_memory_op();
  out.mutable_extents()->Add(list->entries.begin(), list->entries.end());
  out.set_number(written_number(call));
}

decode_result<void> apply_outcome(const wire::memory_op_outcome& message, hypercall& call) {
  auto* const memory_op = std::get_if<memory_op_call>(&call);
  const extent_list* const list = memory_op ? written_extents(*memory_op) : nullptr;
  if (!list) return std::unexpected("extents of a call that passed none");
  const auto& extents = message.extents();
  if (static_cast<std::size_t>(extents.size()) != list->entries.size())
    return std::unexpected(std::to_string(extents.size()) + " extents, expected " +
                           std::to_string(list->entries.size()));
  std::copy(extents.begin(), extents.end(), list->entries.begin());
  const u64 number = message.number();
  if (auto* e = std::get_if<xen_memory_exchange>(&memory_op->arg)) e->nr_exchanged = number;
  if (auto* m = std::get_if<xen_machphys_mfn_list>(&memory_op->arg)) m->nr_extents = static_cast<u32>(number);
  return {};
}

}  // namespace pvmmu
