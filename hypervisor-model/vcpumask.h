#pragma once
// Sets of vCPUs that a guest names by a pointer (xen 4.17 mm.c:3396).

#include <optional>

#include "hypervisor-model/domain.h"
#include "proto/abi/hypercall.h"

namespace pvmmu::xen {

/// Of the vCPUs in the mask, those that can have anything in a TLB. Nothing: the mask cannot be read.
inline std::optional<u64> vcpumask_to_pcpumask(const domain& d, const vcpumask_arg& mask) {
  if (!mask) return std::nullopt;
  return *mask & d.dirty_mask();
}

}  // namespace pvmmu::xen
