#pragma once
// Changing one entry of a live page table: take what the new value needs, write it, drop what the old one held
// (xen 4.17 mm.c:2138-2440). The table is locked by the caller.

#include "hypervisor-model/domain.h"
#include "hypervisor-model/outcome.h"

namespace pvmmu::xen {

enum class accessed_dirty { overwrite, preserve };

/// An entry of an L1 of `pt_dom` that maps frames of `pg_dom`. Errors: get_page_from_l1e's; -EINVAL for bad flags;
/// -ERESTART where an entry that is not present crashed the domain.
outcome mod_l1_entry(machine& m, mfn_t table, unsigned slot, pte_t nl1e, accessed_dirty ad, domain& pt_dom,
                     domain& pg_dom);

/// An entry of a table of `level` 2 to 4 of `d`. The old table is not dropped here but before the vCPU's next step
/// (`old_guest_table`), as that may take long. Errors: -EINVAL, what validating the new table comes to, -ERESTART.
outcome mod_upper_entry(machine& m, unsigned level, mfn_t table, unsigned slot, pte_t ne, accessed_dirty ad, domain& d);

}  // namespace pvmmu::xen
