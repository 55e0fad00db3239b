#pragma once
// A process that did not begin here: its address space as somebody saw it, on a real machine or elsewhere.

#include "guest-pv/kernel_state.h"

namespace pvmmu::guest {

/// An address space with these tables and pages, neither pinned nor loaded. Its areas are what the pages show: each run
/// of adjacent pages that may be written alike is an area of anonymous memory.
mm& adopt_mm(kernel_state& k, std::span<const seen_table> tables, std::span<const seen_page> pages);

}  // namespace pvmmu::guest
