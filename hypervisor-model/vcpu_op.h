#pragma once
// HYPERVISOR_vcpu_op: a vCPU is given its page tables and descriptors, and brought up (xen 4.17 common/domain.c:1609,
// arch/x86/domain.c:1038).

#include "hypervisor-model/domain.h"
#include "proto/abi/hypercall.h"

namespace pvmmu::xen {

/// One piece of the call. -ENOENT: no such vCPU. VCPUOP_initialise: -EFAULT: the context cannot be read; -EEXIST: it
/// was done before; -EINVAL: an address, a limit, a frame of the GDT; what taking the tables comes to. VCPUOP_up:
/// -EINVAL: not initialised. Other commands are not modelled: -ENOSYS.
long do_vcpu_op(machine& m, vcpu& curr, const vcpu_op_call& call);

}  // namespace pvmmu::xen
