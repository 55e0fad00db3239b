#pragma once
// What mmu_update and mmuext_op have in common: a batch that stops at the first failure, tells how far it came, and
// can be preempted between entries (xen 4.17 mm.c:3440-3550, 3915-4010, 4250-4370).

#include "hypervisor-model/domain.h"
#include "hypervisor-model/outcome.h"
#include "hypervisor-model/page_type.h"
#include "proto/abi/hypercall.h"

namespace pvmmu::xen {

/// Marks the current piece as preempted and returns what the guest's rax then holds: the call's own number.
inline long create_continuation(machine& m, vcpu& curr, hypercall_nr nr, u64 entries_left) {
  curr.hcall_preempted = true;
  ++m.perfc.continuations;
  m.notify(event_kind::continuation, 0, {}, 0, entries_left);
  return nr;
}

/// What a piece starts with: `done` from earlier pieces, or the result where the call ends before its first entry.
struct batch_start {
  std::optional<long> result;
  u32 done = 0;
};

/// Finishes what the vCPU left undone, recognises the quirks of `count`, and takes the preempted bit out of it.
template <class Call, class List>
batch_start begin_batch(machine& m, vcpu& curr, Call& call, List& list, hypercall_nr nr, u64& calls) {
  if (!put_old_guest_table(m, curr)) return {create_continuation(m, curr, nr, call.count & ~MMU_UPDATE_PREEMPTED), 0};
  // The last piece of a call whose entries are all handled: its result comes in the place of foreigndom.
  if (call.count == MMU_UPDATE_PREEMPTED && list.null) return {static_cast<s32>(call.foreigndom), 0};
  if (!(call.count & MMU_UPDATE_PREEMPTED)) {
    ++calls;
    return {};
  }
  call.count &= ~MMU_UPDATE_PREEMPTED;
  return {std::nullopt, call.pdone.where == done_arg::state::absent ? 0 : call.pdone.value};
}

/// Writes `done` back where the caller wants it and it can be written.
inline void write_done(done_arg& pdone, u32 done) {
  if (pdone.where != done_arg::state::writable) return;
  pdone.value = done;
  pdone.written = true;
}

/// Ends a piece after `i` entries with `o`: a result, or a continuation with the rest of the call (or, where nothing is
/// left but a table to drop, with the result in the place of foreigndom).
template <class Call, class List>
long end_batch(machine& m, vcpu& curr, Call& call, List& list, hypercall_nr nr, u32 i, const outcome& o) {
  if (!o && o.error() == xen_errno::erestart) {
    list.entries = list.entries.subspan(i);
    call.count = (call.count - i) | MMU_UPDATE_PREEMPTED;
    return create_continuation(m, curr, nr, call.count & ~MMU_UPDATE_PREEMPTED);
  }
  if (!curr.old_guest_table) return to_result(o);
  list = {{}, true};
  call.count = MMU_UPDATE_PREEMPTED;
  call.foreigndom = static_cast<u32>(to_result(o));
  return create_continuation(m, curr, nr, 0);
}

}  // namespace pvmmu::xen
