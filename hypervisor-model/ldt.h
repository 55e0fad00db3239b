#pragma once
// The LDT of a vCPU. SET_LDT says where it lies and takes no frame. Xen's own copy of its mappings, 16 pages that the
// processor reads descriptors through, begins empty: a selector's load finds nothing there, and Xen's page-fault
// handler looks where the guest's tables lead. The frame then becomes a descriptor page, all 512 of its descriptors
// checked, and is held until the LDT is set otherwise or another L4 is loaded, whatever becomes of the guest's mapping.
//
//   set_ldt(m, v, va, 512);
//   load_selector(m, v, 1 << 3 | 7);  // the frame at va: 1 general + 1 seg_desc reference
//   pv_destroy_ldt(m, v);             // given back

#include "hypervisor-model/domain.h"
#include "hypervisor-model/outcome.h"
#include "proto/abi/access.h"

namespace pvmmu::xen {

/// MMUEXT_SET_LDT (xen 4.17 mm.c:3825). -EINVAL: more than 8192 entries, or an address that is not page-aligned or not
/// the guest's.
outcome set_ldt(machine& m, vcpu& curr, u64 va, u32 ents);

/// Gives the LDT's frames back (xen 4.17 pv/descriptor-tables.c:32). Returns whether there were any.
bool pv_destroy_ldt(machine& m, vcpu& v);

/// What the processor does when the guest loads `selector`, which must be one of the LDT, into a data segment register:
/// #GP for an entry beyond the LDT or one that cannot be read, #NP for a segment that is not present, a #PF where the
/// LDT is not mapped or its frame cannot be a descriptor page. A segment that is loaded becomes accessed.
access_result load_selector(machine& m, vcpu& curr, u16 selector, cpu_mode mode);

}  // namespace pvmmu::xen
