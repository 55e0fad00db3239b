#pragma once
// Frames for domains, within what they may own (xen 4.17 common/page_alloc.c).

#include "hypervisor-model/domain.h"

namespace pvmmu::xen {

/// 2^order frames in a row for `d`, below frame `limit`: each with count 1, allocated, no type. Nothing: memory is out,
/// `d` is dying, or it would own more than its max_pages, of which Xen prints "Over-allocation for d1: 11 > 10".
std::optional<mfn_t> alloc_domheap_pages(machine& m, domain& d, unsigned order, u64 limit);

}  // namespace pvmmu::xen
