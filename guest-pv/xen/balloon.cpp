// The balloon: linux 6.1 drivers/xen/balloon.c decrease_reservation, mem-reservation.c.

#include <array>

#include "guest-pv/xen/mmu_pv.h"

namespace pvmmu::guest {

void mmu_pv::decrease_reservation(pfn_t page) {
  std::array<u64, 1> frames{k_.p2m.pfn_to_mfn(page).n};
  k_.tables.clear_page(page);  // xenmem_reservation_scrub_page
  xen_.make_or_bug(update_va_mapping_call{.va = va_of(page)}, "xenmem_reservation_va_mapping_reset");
  k_.p2m.set_invalid(page);
  for (vcpu_id_t cpu = 0; cpu < k_.config.vcpus; ++cpu) {  // flush_tlb_all
    k_.cpu.on(cpu, [this] { flush_tlb_user(); });
  }
  hypercall call =
      memory_op_call{.cmd = XENMEM_decrease_reservation,
                     .arg = xen_memory_reservation{.extent_start = {.entries = frames}, .nr_extents = frames.size()}};
  if (xen_.make(call, "xenmem_reservation_decrease") != frames.size()) bug(xen_.cpu(), "decrease_reservation");
}

}  // namespace pvmmu::guest
