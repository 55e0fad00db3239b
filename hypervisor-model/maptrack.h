#pragma once
// The handles of grant mappings: which one comes next (xen 4.17 common/grant_table.c:542-715). A guest sees their
// numbers, so their order is part of what Xen answers.

#include "hypervisor-model/domain.h"

namespace pvmmu::xen {

/// Nothing: the domain has as many mappings as it may have (262,144).
std::optional<u32> get_maptrack_handle(vcpu& curr);
void put_maptrack_handle(domain& d, u32 handle);

}  // namespace pvmmu::xen
