#pragma once
// Grants of version 1, mapped and unmapped; those of a table of version 2 are refused, as are entries that grant
// nothing (GNTST_general_error; xen 4.17 common/grant_table.c, arch/x86/pv/grant_table.c).
//
//   mapping   references it holds                       who drops them
//   host      one general; type if writable             whoever overwrites the L1 entry, as with any other
//   device    one general; type if writable             the unmap with its handle, or the domain's end
//
// So a host mapping's references are its entry's, whatever becomes of the handle. The unmap looks for an entry that
// maps the same frame with the same RW bit, and takes whichever it is shown.

#include "hypervisor-model/domain.h"
#include "proto/abi/hypercall.h"

namespace pvmmu::xen {

/// Gives `d` a frame of Xen's heap for the next 512 grants. Nothing if memory is out.
std::optional<mfn_t> gnttab_grow_table(machine& m, domain& d);
/// The next 512 grants of `d` lie in a frame that it shares with Xen already.
void gnttab_use_frame(domain& d, mfn_t shared);

/// Each entry gets a status of its own. The call: -EINVAL for a negative count, -EFAULT beyond the list.
long do_grant_table_op(machine& m, vcpu& curr, grant_table_op_call& call);

/// The domain ends: unmaps all that it has mapped (xen 4.17 grant_table.c:3847). Its page tables go later.
void gnttab_release_mappings(machine& m, domain& d);

}  // namespace pvmmu::xen
