// Suspend and resume: linux 6.1 arch/x86/xen/suspend_pv.c, mmu_pv.c xen_mm_pin_all.
//
// Across a suspend every table must be one that Xen knows as such, so that its frame numbers can be found and replaced.
// Address spaces that nobody uses yet, or any more, are therefore pinned for the time.

#include "guest-pv/xen/fixmap.h"
#include "guest-pv/xen/mmu_pv.h"

namespace pvmmu::guest {

void mmu_pv::mm_pin_all() {
  for (const mm& each : k_.mms) {
    if (k_.pages[each.pgd].pinned) continue;
    pgd_pin(k_.init_mm, each.pgd);
    k_.pages[each.pgd].save_pinned = true;
  }
}

void mmu_pv::mm_unpin_all() {
  for (const mm& each : k_.mms) {
    if (!std::exchange(k_.pages[each.pgd].save_pinned, false)) continue;
    if (!k_.pages[each.pgd].pinned) bug(k_.cpu, "xen_mm_unpin_all");
    pgd_unpin(k_.init_mm, each.pgd);
  }
}

void mmu_pv::pre_suspend() {
  mm_pin_all();
  xen_.make_or_bug(update_va_mapping_call{.va = FIX_PARAVIRT_BOOTMAP}, "xen_pv_pre_suspend");
}

void mmu_pv::post_suspend() {
  xen_.make_or_bug(
      update_va_mapping_call{
          .va = FIX_PARAVIRT_BOOTMAP, .val = make_pte(shared_info_, PAGE_KERNEL), .flags = UVMF_INVLPG},
      "xen_set_fixmap");
  mm_unpin_all();
}

}  // namespace pvmmu::guest
