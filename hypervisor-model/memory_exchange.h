#pragma once
// XENMEM_exchange: frames for other frames (xen 4.17 common/memory.c:546, mm.c:4371).
//
// The lists are cut into chunks, as many frames on either side: the larger of the two orders is one extent there. A
// frame can be exchanged that only its allocation refers to (count 1, allocated) and that is none of Xen's own. A chunk
// with another frame in it fails as a whole: what was taken of it is given back, without a type. A chunk whose new
// frames cannot be told (-EFAULT) is exchanged nevertheless, and does not count.

#include "hypervisor-model/domain.h"
#include "proto/abi/hypercall.h"

namespace pvmmu::xen {

/// One piece of the call: -EPERM an order too big, or another's domain; -EINVAL lists that do not match, a frame that
/// cannot be had; -EFAULT; -ESRCH; -ENOMEM. `nr_exchanged` says how far it came.
long memory_exchange(machine& m, vcpu& curr, memory_op_call& call);

}  // namespace pvmmu::xen
