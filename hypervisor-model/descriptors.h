#pragma once
// Descriptor tables: frames of type seg_desc, held by GDT slots (xen 4.17 pv/descriptor-tables.c). Whoever could write
// a descriptor at will could enter ring 0 by a call gate, so these frames are checked and kept read-only like tables.

#include "hypervisor-model/domain.h"
#include "hypervisor-model/outcome.h"
#include "proto/abi/hypercall.h"

namespace pvmmu::xen {

/// Whether a PV64 guest may use this descriptor; call gates are adjusted in place.
bool check_descriptor(u64& desc);

/// Checks all 512 descriptors of a frame: -EINVAL for one that a guest must not have.
outcome validate_segdesc_page(machine& m, page_info& pg);

/// pv_set_gdt: gives the vCPU a table of this many descriptors in the place of the one it has. New frames are taken
/// before the old ones go, so that a failure (-EINVAL) leaves the old table in place.
outcome set_gdt(machine& m, vcpu& v, std::span<const u64> frames, u32 entries);
/// pv_destroy_gdt.
void destroy_gdt(machine& m, vcpu& v);

/// -EINVAL: more than 7168 entries, or a frame that cannot be of type seg_desc; -EFAULT: the list cannot be read.
long do_set_gdt(machine& m, vcpu& curr, const set_gdt_call& call);

/// -EINVAL for everything that is wrong.
long do_update_descriptor(machine& m, vcpu& curr, const update_descriptor_call& call);

}  // namespace pvmmu::xen
