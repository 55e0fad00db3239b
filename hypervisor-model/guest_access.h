#pragma once
// A guest's load or store: the walk through its tables, and where a store is refused, Xen's page-fault handler.

#include "hypervisor-model/domain.h"
#include "proto/abi/access.h"

namespace pvmmu::xen {

/// For loads and stores `request.bytes` must be 1, 2, 4 or 8, aligned or not, in one page or two; anything else is
/// answered with a #PF of error code 0 at va, as nothing a processor does looks so.
access_result guest_access(machine& m, vcpu& curr, const access_request& request);

}  // namespace pvmmu::xen
