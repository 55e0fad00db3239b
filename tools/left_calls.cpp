#include "tools/left_calls.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "proto/abi/errno.h"

namespace pvmmu::tools {
namespace {

constexpr u32 missing_entries_max = 1024;  // of one multicall; Linux makes 32 at most

/// The calls that know how to be left and taken up again: their list and their count.
struct batch {
  u32 count = 0;
  int entries = 0;
};

std::optional<batch> batch_of(const wire::hypercall& call) {
  if (call.has_mmu_update()) return batch{call.mmu_update().count(), call.mmu_update().ureqs_size()};
  if (call.has_mmuext_op()) return batch{call.mmuext_op().count(), call.mmuext_op().uops_size()};
  if (call.has_multicall()) return batch{call.multicall().nr_calls(), call.multicall().call_list_size()};
  return std::nullopt;
}

/// Extents of a reservation that are done when the call begins.
u64 start_extent(const wire::hypercall& call) { return call.memory_op().cmd() >> MEMOP_EXTENT_SHIFT; }

u32 recorded_entries_left(const wire::hypercall& call) {
  if (call.memory_op().has_reservation()) {
    const u64 all = call.memory_op().reservation().nr_extents();
    return static_cast<u32>(all - std::min(all, start_extent(call)));
  }
  const auto b = batch_of(call);
  return b ? b->count & ~MMU_UPDATE_PREEMPTED : 0;
}

/// What a call returns that is left: no result that it has otherwise, but for memory_op's, which counts extents.
s64 result_when_left(const wire::hypercall& call) {
  switch (call.call_case()) {
    case wire::hypercall::kMmuUpdate: return HYPERVISOR_mmu_update;
    case wire::hypercall::kMmuextOp: return HYPERVISOR_mmuext_op;
    case wire::hypercall::kMulticall: return HYPERVISOR_multicall;
    case wire::hypercall::kMemoryOp: return call.memory_op().has_reservation() ? s64{HYPERVISOR_memory_op} : 0;
    default: return 0;  // never left
  }
}

bool was_left(const wire::hypercall& call, const wire::call_outcome& outcome) {
  return outcome.result() != 0 && outcome.result() == result_when_left(call);
}

/// Entries of a multicall that were done with when its piece ended.
u32 entries_done(const recording::piece& piece) {
  return static_cast<u32>(piece.outcome().entries_size()) - (last_entry_left(piece) ? 1 : 0);
}

u32 entries_done(const hypercall& call, const wire::hypercall& rest) {
  return entries_left(call) - std::min(entries_left(call), recorded_entries_left(rest));
}

/// Whether `rest` goes on with a reservation of which some extents were done.
bool continues(const wire::memory_op_call& call, const wire::memory_op_call& rest) {
  return rest.has_reservation() && call.has_reservation() && ((rest.cmd() ^ call.cmd()) & MEMOP_CMD_MASK) == 0 &&
         rest.cmd() > call.cmd() && rest.reservation().va() == call.reservation().va() &&
         rest.reservation().nr_extents() == call.reservation().nr_extents();
}

bool is_continuation(const wire::hypercall& call) {
  return !call.has_multicall() && batch_of(call) && (batch_of(call)->count & MMU_UPDATE_PREEMPTED) != 0;
}

void check_counts(const wire::hypercall& call) {
  if (const auto b = batch_of(call); b && static_cast<u64>(b->entries) > recorded_entries_left(call)) {
    throw std::invalid_argument(fmt::format("a call with {} entries that counts {}: at most as many are expected",
                                            b->entries, recorded_entries_left(call)));
  }
  for (const wire::hypercall& entry : call.multicall().call_list()) check_counts(entry);
}

}  // namespace

void check_counts(const recording::piece& piece) {
  check_counts(piece.call());
  const int results = piece.outcome().entries_size();
  const int entries = piece.call().multicall().call_list_size();
  if (results > entries) {
    throw std::invalid_argument(
        fmt::format("{} results of {} entries: at most as many are expected", results, entries));
  }
}

bool was_left(const recording::piece& piece) { return was_left(piece.call(), piece.outcome()); }

bool last_entry_left(const recording::piece& piece) {
  const auto& list = piece.call().multicall().call_list();
  const auto& outcomes = piece.outcome().entries();
  return !outcomes.empty() && outcomes.size() <= list.size() && was_left(list[outcomes.size() - 1], *outcomes.rbegin());
}

bool continues(const recording::piece& piece, const recording::piece& rest) {
  if (rest.domid() != piece.domid() || rest.vcpu() != piece.vcpu()) return false;
  if (rest.call().call_case() != piece.call().call_case()) return false;
  if (rest.call().has_memory_op()) return continues(piece.call().memory_op(), rest.call().memory_op());
  if (!rest.call().has_multicall()) return is_continuation(rest.call());
  const wire::multicall_call& multicall = rest.call().multicall();
  if (multicall.nr_calls() + entries_done(piece) > piece.call().multicall().nr_calls()) return false;
  return !last_entry_left(piece) || (multicall.call_list_size() != 0 && is_continuation(multicall.call_list(0)));
}

u32 entries_left(const hypercall& call) {
  if (const auto* c = std::get_if<mmu_update_call>(&call)) return c->count & ~MMU_UPDATE_PREEMPTED;
  if (const auto* c = std::get_if<mmuext_op_call>(&call)) return c->count & ~MMU_UPDATE_PREEMPTED;
  if (const auto* c = std::get_if<memory_op_call>(&call)) {
    const auto* r = std::get_if<xen_memory_reservation>(&c->arg);
    const u64 done = c->cmd >> MEMOP_EXTENT_SHIFT;
    return r ? static_cast<u32>(r->nr_extents - std::min(r->nr_extents, done)) : 0;
  }
  const auto* c = std::get_if<multicall_call>(&call);
  return c ? c->nr_calls : 0;
}

preempted_at where_left(const hypercall& call, const recording::piece& piece, const wire::hypercall& rest) {
  preempted_at where{entries_done(call, rest), std::nullopt};
  const auto* multicall = std::get_if<multicall_call>(&call);
  if (multicall && last_entry_left(piece) && where.entries < multicall->call_list.size())
    where.in_multicall = entries_done(multicall->call_list[where.entries].call, rest.multicall().call_list(0));
  return where;
}

u32 add_missing_entries(const recording::piece& piece, const recording::piece* rest, wire::hypercall& call,
                        wire::call_outcome& outcome) {
  if (!call.has_multicall() || outcome.result() < 0) return 0;
  wire::multicall_call& multicall = *call.mutable_multicall();
  const u32 recorded = entries_done(piece);
  const u32 done =
      multicall.nr_calls() - (rest ? std::min(multicall.nr_calls(), recorded_entries_left(rest->call())) : 0);
  if (done <= recorded) return 0;
  const u32 missing = done - recorded;
  if (missing > missing_entries_max) {
    throw std::invalid_argument(fmt::format(
        "a multicall from whose list {} entries are missing: at most {} are expected", missing, missing_entries_max));
  }
  // They ran before the entry that was left, wherever that was.
  const auto insert = [recorded, missing](auto& list, const auto& value) {
    for (u32 i = 0; i < missing; ++i) *list.Add() = value;
    std::rotate(list.begin() + static_cast<int>(recorded), list.end() - static_cast<int>(missing), list.end());
  };
  wire::hypercall unknown;
  unknown.mutable_unknown();
  wire::call_outcome refused;
  refused.set_result(to_result(xen_errno::enosys));
  insert(*multicall.mutable_call_list(), unknown);
  insert(*outcome.mutable_entries(), refused);
  return missing;
}

}  // namespace pvmmu::tools
