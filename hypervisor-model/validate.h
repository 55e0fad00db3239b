#pragma once
// Making a frame a page table, and taking it down again: every present entry takes, or gives back, its references
// (xen 4.17 mm.c:1348-1960). This is the only recursion in the hypervisor: L4 → L3 → L2 → L1.
//
// States of a table, by its type_info:
//   1. count 0                            nobody uses it as a table
//   2. count 1, neither bit               being validated or taken down, within one call
//   3. count 1, partial                   preempted halfway; nr_validated_ptes tells how far
//   4. count ≥ 1, validated               a table
//   1→2→4 promote   2→3→2 preempted and resumed   4→2→1 demote   2→1 refused (L2-L4: through 3, torn down at once)

#include "hypervisor-model/domain.h"
#include "hypervisor-model/outcome.h"

namespace pvmmu::xen {

/// Takes the references of all entries of a table of `level`, from where an earlier attempt stopped. An error of slot
/// i > 0 of an L2-L4 leaves what was taken to `old_guest_table` of the current vCPU.
outcome promote_table(machine& m, page_info& pg, unsigned level);

/// Gives back the references of all entries of a table whose type_info was `type`; a partial one from where it stopped.
outcome devalidate_page(machine& m, page_info& pg, u64 type);

}  // namespace pvmmu::xen
