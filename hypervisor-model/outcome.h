#pragma once
// What a step of the hypervisor comes to: done, or refused with an errno. -EINTR and -ERESTART are no refusals: the
// step was preempted before (EINTR) or after (ERESTART) it made progress, and will be resumed.

#include <expected>

#include "proto/abi/errno.h"

namespace pvmmu::xen {

using outcome = std::expected<void, xen_errno>;

constexpr std::unexpected<xen_errno> refuse(xen_errno e) { return std::unexpected(e); }

inline bool preempted(const outcome& o) {
  return !o && (o.error() == xen_errno::eintr || o.error() == xen_errno::erestart);
}

constexpr long to_result(const outcome& o) { return o ? 0 : pvmmu::to_result(o.error()); }

}  // namespace pvmmu::xen
