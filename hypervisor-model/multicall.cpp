#include "hypervisor-model/multicall.h"

#include <utility>

#include "hypervisor-model/batch.h"
#include "hypervisor-model/hypercall.h"
#include "hypervisor-model/messages.h"

namespace pvmmu::xen {
namespace {

enum class piece_end { finished, left, preempted, fault };

piece_end run_entries(machine& m, vcpu& curr, multicall_call& call, u32& i) {
  for (i = 0; i < call.nr_calls; ++i) {
    if (i != 0 && m.hypercall_preempt_check()) return piece_end::preempted;
    if (i >= call.call_list.size()) return piece_end::fault;
    m.notify(event_kind::entry, i, {}, 0, 0);
    multicall_entry& entry = call.call_list[i];
    entry.result = do_hypercall_piece(m, curr, entry.call);
    const bool again = std::exchange(curr.hcall_preempted, false);
    entry.overwritten = m.config().debug_build && !again;
    if (again) return piece_end::preempted;
    // The guest is to go on elsewhere: what follows in the list is not its wish any more (XSA-213).
    if (std::holds_alternative<iret_call>(entry.call)) return piece_end::left;
  }
  return piece_end::finished;
}

}  // namespace

long do_multicall(machine& m, vcpu& curr, multicall_call& call) {
  if (curr.in_multicall) {
    messages::multicall_reentry(m);
    return to_result(xen_errno::einval);
  }
  curr.in_multicall = true;
  u32 i = 0;
  const piece_end end = run_entries(m, curr, call, i);
  curr.in_multicall = false;
  m.perfc.calls_from_multicall += i;
  if (end == piece_end::finished) return 0;
  if (end == piece_end::left) return static_cast<s32>(call.call_list[i].result);
  if (end == piece_end::fault) return to_result(xen_errno::efault);
  call.call_list = call.call_list.subspan(i);
  call.nr_calls -= i;
  return create_continuation(m, curr, HYPERVISOR_multicall, call.nr_calls);
}

}  // namespace pvmmu::xen
