#pragma once
// struct task_struct: what a process takes along when another one runs on its CPU.

namespace pvmmu::guest {

struct task {
  bool lazy_mmu_updates = false;   ///< TIF_LAZY_MMU_UPDATES: switched out within a lazy section (until 7.0)
  unsigned lazy_mmu_sections = 0;  ///< lazy_mmu_state.enable_count: how deep it is in them (from 7.0)
};

}  // namespace pvmmu::guest
