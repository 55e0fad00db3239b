#pragma once
// Linear page tables: an entry that leads to a table of the same level, so that the guest sees its own tables as
// memory (xen 4.17 mm.c:608-750). Read-only, validated target, same owner, and no chains: a table either contains such
// entries (its linear_pt_count is above 0) or is used as one by others (below 0), never both.

#include "hypervisor-model/domain.h"

namespace pvmmu::xen {

/// Takes the references of the linear entry `e` of table `table_mfn` at `level` 2 to 4. False: it is no legal one. An
/// entry to its own table needs none.
bool get_linear_pagetable(machine& m, unsigned level, pte_t e, mfn_t table_mfn, const domain& d);

void dec_linear_entries(machine& m, page_info& table);
void dec_linear_uses(machine& m, page_info& table);

}  // namespace pvmmu::xen
