#pragma once
// Loading address spaces and flushing what processors remember of them: linux 6.1 arch/x86/mm/tlb.c.

#include "guest-pv/kernel_state.h"

namespace pvmmu::guest {

/// switch_mm_irqs_off: loads `next` on this CPU, unless it is loaded.
void switch_mm(kernel_state& k, mm& next);
/// enter_lazy_tlb: a kernel thread goes on with the tables that are loaded.
void enter_lazy_tlb(kernel_state& k);
/// This CPU goes to init_mm, if it has anything else loaded.
void leave_mm(kernel_state& k);

/// Flushes [start, end) of `mm`, in bytes, from the CPUs that have it loaded; everything if end is TLB_FLUSH_ALL or the
/// range has more than 33 strides. Stride: 2^stride_shift bytes.
void flush_tlb_mm_range(kernel_state& k, mm& mm, u64 start, u64 end, unsigned stride_shift);

}  // namespace pvmmu::guest
