#pragma once
// HYPERVISOR_multicall: several calls in one (xen 4.17 common/multicall.c).

#include "hypervisor-model/domain.h"
#include "proto/abi/hypercall.h"

namespace pvmmu::xen {

/// One piece of the call. Each entry's result goes to its `result`, errors included: the multicall goes on. It fails
/// itself with -EINVAL inside another one, and with -EFAULT where the list cannot be read. It ends with an iret, and
/// then returns the lower half of what that returns. On a continuation `call` holds the rest, its first entry being
/// what is left of the one that was preempted.
long do_multicall(machine& m, vcpu& curr, multicall_call& call);

}  // namespace pvmmu::xen
