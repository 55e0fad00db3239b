#pragma once
// HYPERVISOR_update_va_mapping: one L1 entry, found by the address that it maps, with a flush (xen 4.17 mm.c:4463).

#include "hypervisor-model/domain.h"
#include "proto/abi/hypercall.h"

namespace pvmmu::xen {

/// -EINVAL: no L1 maps the address, or not one of the caller's; what mod_l1_entry says; -EFAULT: the vCPU mask cannot
/// be read, after the entry was changed.
long do_update_va_mapping(machine& m, vcpu& curr, const update_va_mapping_call& call);

/// The same with frames of another domain. -ESRCH: there is none of that number, or it is the caller's own; -EPERM.
long do_update_va_mapping_otherdomain(machine& m, vcpu& curr, const update_va_mapping_otherdomain_call& call);

}  // namespace pvmmu::xen
