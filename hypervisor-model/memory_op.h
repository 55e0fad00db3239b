#pragma once
// HYPERVISOR_memory_op: a domain gets frames, gives them back, exchanges them (xen 4.17 common/memory.c).
//
//   - populate and increase hand out frames until something fails, and return how many extents were done, never an
//     errno.
//   - decrease takes the allocation's reference from a frame, whatever the frame is and whoever else refers to it: the
//     frame is free when its last reference goes. Until then it can be decreased again, and that succeeds as well.
//   - exchange (memory_exchange.h) is for frames that nothing refers to.
//
// Which frames come is the heap's choice: machine::offer_frames repeats that of a real Xen.

#include "hypervisor-model/domain.h"
#include "proto/abi/hypercall.h"

namespace pvmmu::xen {

/// One piece of the call. machphys_mfn_list tells `machine::machphys_mfns`. -ENOSYS for commands that are not in
/// proto/abi/memory_op.h, though Xen may have them.
long do_memory_op(machine& m, vcpu& curr, memory_op_call& call);

// ---- what reservations and exchanges have in common

/// The largest order of an extent that `d` may name (memory.c:82): 9, with devices 12, for dom0 18.
unsigned max_order(const domain& d);

/// rcu_lock_domain_by_any_id: unlike for the MMU's calls, one's own number will do, and DOMID_IO is nobody.
domain* domain_by_any_id(machine& m, const vcpu& curr, domid_t domid);

/// guest_handle_subrange_okay: whether Xen will look at entries `first` to `last` of a list at all.
bool subrange_okay(const extent_list& list, u64 first, u64 last);

/// Below which frame memory is to be taken for these mem_flags (memory.c:526, page_alloc.c:2450): 0 means none at all,
/// a node that the machine does not have. Nothing: the caller must not ask so. This machine has one node, number 0.
std::optional<u64> frame_limit(const domain& caller, u32 mem_flags);

}  // namespace pvmmu::xen
