#pragma once
// HYPERVISOR_mmu_update: writes entries of page tables, and of the machine-to-phys table (xen 4.17 mm.c:3979).

#include "hypervisor-model/domain.h"
#include "proto/abi/hypercall.h"

namespace pvmmu::xen {

/// One piece of the call. Stops at the first entry that fails, and rolls nothing back: `pdone` tells how many were
/// done. -ENOSYS: unknown command; -EFAULT: the list cannot be read so far; -ESRCH: no such domain; -EPERM: not one's
/// business; -EINVAL: frame not owned, or what mod_entry.h says. On a continuation `call` holds the rest.
long do_mmu_update(machine& m, vcpu& curr, mmu_update_call& call);

}  // namespace pvmmu::xen
