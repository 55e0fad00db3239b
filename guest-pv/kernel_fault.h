#pragma once
// Page faults that the kernel itself takes at its own addresses: linux 6.1 arch/x86/mm/fault.c do_kern_addr_fault.

#include "guest-pv/kernel_state.h"

namespace pvmmu::guest {

/// Whether the access can be made again: its fault was mended, or was none. False: an oops.
bool do_kern_addr_fault(kernel_state& k, const access_result& fault);

}  // namespace pvmmu::guest
