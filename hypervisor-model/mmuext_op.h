#pragma once
// HYPERVISOR_mmuext_op: pins, base pointers, flushes, LDT, clearing and copying frames (xen 4.17 mm.c:3440).

#include "hypervisor-model/domain.h"
#include "proto/abi/hypercall.h"

namespace pvmmu::xen {

/// One piece of the call. Stops at the first op that fails, as mmu_update does.
///   PIN, UNPIN           -EINVAL not owned, of another type, already / not pinned; a table's own error
///   baseptrs, flushes    -EPERM for another domain; -EINVAL a mask that cannot be read, or as above
///   FLUSH_CACHE          -EACCES, FLUSH_CACHE_GLOBAL -EINVAL without devices
///   SET_LDT              -EINVAL more than 8192 entries, unaligned, or an address that is not the guest's
///   CLEAR_PAGE COPY_PAGE -EINVAL not owned, or the destination cannot be written
///   MARK, UNMARK_SUPER   -EOPNOTSUPP        anything else -ENOSYS
long do_mmuext_op(machine& m, vcpu& curr, mmuext_op_call& call);

}  // namespace pvmmu::xen
