#pragma once
// The L1 entries of grants' host mappings (xen 4.17 arch/x86/pv/grant_table.c).

#include "hypervisor-model/domain.h"
#include "proto/abi/hypercall.h"

namespace pvmmu::xen {

/// Writes the entry that `addr` means, with references that the caller has taken, and drops what the old one held.
/// GNTST_general_error: there is no such entry of a table of the vCPU's domain.
grant_status create_grant_pv_mapping(machine& m, vcpu& curr, u64 addr, mfn_t frame, u32 flags);

/// Clears it, if it is present and maps `frame` with the RW bit that `flags` say: else GNTST_general_error. The caller
/// drops the references.
grant_status replace_grant_pv_mapping(machine& m, vcpu& curr, u64 addr, mfn_t frame, u32 flags);

}  // namespace pvmmu::xen
