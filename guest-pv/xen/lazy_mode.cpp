// Lazy modes: linux 6.1 arch/x86/kernel/paravirt.c, 6.6 arch/x86/include/asm/xen/hypervisor.h enter_lazy, leave_lazy,
// 7.0 include/linux/pgtable.h lazy_mmu_mode_enable, lazy_mmu_mode_disable; arch/x86/xen/enlighten_pv.c
// xen_start_context_switch.
//
// The mode is the CPU's:  none ──enter──▸ mmu ──leave──▸ none
//                         none ──start_context_switch──▸ cpu ──end_context_switch──▸ none
// A task that is switched out within a lazy section leaves it for the time, and enters it again when it is back.

#include <fmt/format.h>

#include <utility>

#include "guest-pv/xen/mmu_pv.h"

namespace pvmmu::guest {

// The first two lines that Linux prints. Up to 6.5 the check is a function of its own; later it is part of its callers.
void mmu_pv::lazy_mode_bug(std::string_view function) {
  const bool separate = k_.profile().lazy_nesting == lazy_rule::bug;
  k_.cpu.printk(
      fmt::format("kernel BUG at arch/x86/{}!", separate ? "kernel/paravirt.c" : "include/asm/xen/hypervisor.h"));
  const std::string where = fmt::format("RIP: e030:{}{}", separate ? "paravirt_" : "xen_", function);
  k_.cpu.printk(where);
  throw guest_stopped(guest_stopped::reason::bug, where);
}

void mmu_pv::enter_lazy(lazy_mode mode, std::string_view function) {
  lazy_state& lazy = mc_.lazy();
  if (k_.profile().lazy_nesting == lazy_rule::counted && lazy.mode == mode) {
    ++lazy.nesting;
    return;
  }
  if (lazy.mode != lazy_mode::none) lazy_mode_bug(function);
  lazy.mode = mode;
}

void mmu_pv::leave_lazy(lazy_mode mode, std::string_view function) {
  lazy_state& lazy = mc_.lazy();
  if (lazy.mode != mode) lazy_mode_bug(function);
  if (lazy.nesting != 0)
    --lazy.nesting;
  else
    lazy.mode = lazy_mode::none;
}

void mmu_pv::arch_enter_lazy_mmu_mode() {
  if (k_.profile().lazy_nesting == lazy_rule::tolerated && mc_.get_lazy_mode() == lazy_mode::mmu) return;
  enter_lazy(lazy_mode::mmu, "enter_lazy_mmu");
}

// Whatever is queued goes out, also where an inner section ends.
void mmu_pv::arch_leave_lazy_mmu_mode() {
  mc_.flush();
  if (k_.profile().lazy_nesting == lazy_rule::tolerated && mc_.get_lazy_mode() == lazy_mode::none) return;
  leave_lazy(lazy_mode::mmu, "leave_lazy_mmu");
}

void mmu_pv::enter_lazy_mmu() {
  if (!k_.profile().counts_lazy_in_task()) return arch_enter_lazy_mmu_mode();
  if (k_.cpu.in_interrupt() || k_.this_cpu_task().lazy_mmu_sections++ != 0) return;
  k_.cpu.reached(moment::lazy_mmu_counted);
  arch_enter_lazy_mmu_mode();
}

void mmu_pv::leave_lazy_mmu() {
  if (!k_.profile().counts_lazy_in_task()) return arch_leave_lazy_mmu_mode();
  if (k_.cpu.in_interrupt()) return;
  if (--k_.this_cpu_task().lazy_mmu_sections != 0) return mc_.flush();
  k_.cpu.reached(moment::lazy_mmu_uncounted);
  arch_leave_lazy_mmu_mode();
}

void mmu_pv::flush_lazy_mmu() {
  if (mc_.get_lazy_mode() == lazy_mode::mmu) mc_.flush();
}

void mmu_pv::start_context_switch(task& prev) {
  if (mc_.lazy().mode == lazy_mode::mmu) {
    arch_leave_lazy_mmu_mode();
    prev.lazy_mmu_updates = true;
  }
  enter_lazy(lazy_mode::cpu, "start_context_switch");
}

void mmu_pv::end_context_switch(task& next) {
  mc_.flush();
  leave_lazy(lazy_mode::cpu, "end_context_switch");
  const bool flagged = std::exchange(next.lazy_mmu_updates, false);
  if (k_.profile().counts_lazy_in_task() ? next.lazy_mmu_sections != 0 : flagged) arch_enter_lazy_mmu_mode();
}

}  // namespace pvmmu::guest
