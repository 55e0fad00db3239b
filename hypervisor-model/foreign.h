#pragma once
// Whose tables and whose frames a call is about.

#include "hypervisor-model/domain.h"

namespace pvmmu::xen {

/// get_pg_owner (xen 4.17 page_alloc.c:2665): DOMID_SELF is the caller; nullptr for its own number and for one that
/// nobody has.
domain* get_pg_owner(machine& m, vcpu& curr, domid_t domid);

}  // namespace pvmmu::xen
