#include "tools/record_pieces.h"

#include <fmt/format.h>

#include <algorithm>

#include "proto/abi/hypercall.h"
#include "tools/lab/lab_error.h"
#include "tools/recording_codec.h"

namespace pvmmu::tools {
namespace {

using lab::heard::handler;

constexpr u64 max_multicall_entries = 65536;  // the plugin takes no more

}  // namespace

void piece_maker::take(const lab::heard_event& event) {
  std::visit([this](const auto& e) { take(e); }, event);
}

std::optional<recording::piece> piece_maker::next() {
  while (!pieces_.empty() && pieces_.front().is != stage::open) {
    const bool finished = pieces_.front().is == stage::finished;
    recording::piece piece = std::move(pieces_.front().piece);
    pieces_.pop_front();
    ++first_;
    if (finished) return piece;
  }
  return std::nullopt;
}

wire::multicall_call& piece_maker::multicall_of(const open_call& call) {
  return *piece_of(call).mutable_call()->mutable_multicall();
}

// ---- entries

void piece_maker::take(const lab::heard_entry& entry) {
  const vcpu_key key{entry.head.domid, entry.head.vcpu};
  if (entry.head.depth == 0) return begin_piece(entry);
  const auto open = open_.find(key);
  if (open == open_.end()) return;  // in a call that had begun before the first event
  if (open->second.asked.handler != handler::multicall || open->second.entry)
    throw lab::lab_error(fmt::format("{} within {}: a recording holds only multicalls of single calls",
                                     handler_name(entry.head.handler), handler_name(open->second.asked.handler)));
  begin_multicall_entry(open->second, entry);
}

void piece_maker::begin_piece(const lab::heard_entry& entry) {
  const vcpu_key key{entry.head.domid, entry.head.vcpu};
  if (const auto never_returned = open_.find(key); never_returned != open_.end()) {
    pieces_[never_returned->second.number - first_].is = stage::dropped;
    ++never_returned_;
    open_.erase(never_returned);
  }
  open_call call{.number = first_ + pieces_.size(), .asked = {entry.head.handler, entry.args}, .list = {}, .entry = {}};
  recording::piece& piece = pieces_.emplace_back().piece;
  const heard_call heard{entry.head.handler, entry.args, entry.memory};
  if (heard.handler == handler::ptwr_emulated_update) {
    *piece.mutable_write() = take_write(heard);
  } else {
    call.is_recorded = take_call(heard, *piece.mutable_call());
  }
  if (heard.handler == handler::multicall)
    call.list =
        entry.memory.list<lab::guest::multicall_entry>(entry.args[0], std::min(entry.args[1], max_multicall_entries));
  if (call.is_recorded) {
    piece.set_domid(entry.head.domid);
    piece.set_vcpu(entry.head.vcpu);
    piece.set_entered(++moment_);
    if (callers_)
      for (std::string& caller : callers_(entry)) piece.add_callers(std::move(caller));
  }
  open_.emplace(key, std::move(call));
}

/// An entry of the multicall's list whose handler is not listened to: it touches no table.
void piece_maker::add_unheard_entry(const open_call& call) {
  auto& list = *multicall_of(call).mutable_call_list();
  const u64 op = call.list[static_cast<std::size_t>(list.size())].op;
  list.Add()->mutable_unknown()->set_op(op);
  piece_of(call).mutable_outcome()->add_entries();
}

void piece_maker::begin_multicall_entry(open_call& call, const lab::heard_entry& entry) {
  const auto& list = multicall_of(call).call_list();
  const auto at = [&] { return static_cast<std::size_t>(list.size()); };
  while (at() < call.list.size() && handler_of(call.list[at()].op) != entry.head.handler) add_unheard_entry(call);
  if (at() == call.list.size())
    throw lab::lab_error(fmt::format("a multicall of {} entries calls {}, which is none of those that are left",
                                     call.list.size(), handler_name(entry.head.handler)));
  call.entry = entered_handler{entry.head.handler, entry.args};
  wire::hypercall& asked = *multicall_of(call).add_call_list();
  if (take_call({entry.head.handler, entry.args, entry.memory}, asked)) return;
  asked.Clear();
  asked.mutable_unknown()->set_op(call.list[at() - 1].op);
}

// ---- returns

void piece_maker::take(const lab::heard_exit& exit) {
  const auto open = open_.find({exit.head.domid, exit.head.vcpu});
  if (open == open_.end()) return;
  open_call& call = open->second;
  const auto& returned = exit.head.depth == 0 ? call.asked : call.entry.value_or(call.asked);
  if (returned.handler != exit.head.handler || (exit.head.depth != 0) != call.entry.has_value())
    throw lab::lab_error(
        fmt::format("{} returned within {}", handler_name(exit.head.handler), handler_name(returned.handler)));
  if (exit.head.depth == 0) {
    finish_piece(call, exit);
    open_.erase(open);
    return;
  }
  recording::piece& piece = piece_of(call);
  take_outcome(*multicall_of(call).call_list().rbegin(), {returned.handler, returned.args, exit.memory}, exit.result,
               *piece.mutable_outcome()->add_entries());
  call.entry.reset();
}

void piece_maker::finish_piece(const open_call& call, const lab::heard_exit& exit) {
  numbered_piece& numbered = pieces_[call.number - first_];
  if (!call.is_recorded) {
    numbered.is = stage::dropped;
    ++not_recorded_[std::string(handler_name(call.asked.handler))];
    return;
  }
  if (call.asked.handler == handler::multicall) end_multicall(call, exit);
  recording::piece& piece = numbered.piece;
  take_outcome(piece.call(), {call.asked.handler, call.asked.args, exit.memory}, exit.result, *piece.mutable_outcome());
  piece.set_left(++moment_);
  numbered.is = stage::finished;
}

/// The entries that ran after the last one that was heard.
void piece_maker::end_multicall(const open_call& call, const lab::heard_exit& exit) {
  if (static_cast<s64>(exit.result) < 0) return;
  const u64 left = exit.result == HYPERVISOR_multicall ? exit.guest_rsi : 0;
  const u64 ran = call.list.size() - std::min<u64>(call.list.size(), left);
  while (static_cast<u64>(multicall_of(call).call_list_size()) < ran) add_unheard_entry(call);
}

// ---- tables

void piece_maker::take(const lab::heard_table& table) {
  const auto open = open_.find({table.head.domid, table.head.vcpu});
  if (open == open_.end() || !open->second.is_recorded) return;
  const open_call& call = open->second;
  recording::piece& piece = piece_of(call);
  u32 before_entry = 0;
  if (call.asked.handler == handler::multicall)
    before_entry = static_cast<u32>(multicall_of(call).call_list_size()) - (call.entry ? 1 : 0);
  const bool is_known = std::ranges::any_of(piece.contents(), [&](const recording::content& c) {
    return c.table().mfn() == table.mfn && c.before_entry() == before_entry;
  });
  if (is_known) return;  // what it became in this entry is for the entry to show
  recording::content& content = *piece.add_contents();
  *content.mutable_table() = encode_table({table.mfn}, table.words);
  content.set_before_entry(before_entry);
}

}  // namespace pvmmu::tools
