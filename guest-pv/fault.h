#pragma once
// Page faults of a process, and accesses that the kernel makes in its place: linux 6.1 mm/memory.c, mm/gup.c.

#include "guest-pv/kernel_state.h"

namespace pvmmu::guest {

enum class fault_kind : u8 { read, write };

/// handle_mm_fault: makes the page at `va` accessible, or says why not (SIGSEGV).
mm_result<void> handle_mm_fault(kernel_state& k, mm& mm, u64 va, fault_kind kind);

/// An access of 8 aligned bytes by the process, or by the kernel for it where `mm` is not loaded on this CPU. Returns
/// what was read.
mm_result<u64> access_user_memory(kernel_state& k, mm& mm, u64 va, fault_kind kind, u64 value);

/// vm_page_prot of an area, as flags of an entry: private memory is mapped writable page by page.
u64 vm_page_prot(const vma& area);

inline constexpr u64 PAGE_SPECIAL = u64{1} << 9;       ///< no struct page is behind it: the zero page
inline constexpr u64 PAGE_SOFT_DIRTY = u64{1} << 11;   ///< only where CONFIG_MEM_SOFT_DIRTY is set: see soft_dirty
inline constexpr u64 PAGE_SAVED_DIRTY = u64{1} << 58;  ///< the dirty bit of an entry that is not writable

/// What pte_mksoft_dirty adds.
inline u64 soft_dirty(const kernel_state& k) { return k.config.soft_dirty ? PAGE_SOFT_DIRTY : 0; }
/// What pte_mkdirty adds, but for that. Since user shadow stacks, "dirty but not writable" means something else to the
/// processor.
inline u64 dirty_flag(const kernel_state& k, bool writable) {
  return k.profile().saved_dirty && !writable ? PAGE_SAVED_DIRTY : PAGE_DIRTY;
}
/// What pte_mkwrite(pte_mkdirty()) adds.
inline u64 written_flags(const kernel_state& k) { return PAGE_RW | PAGE_DIRTY | soft_dirty(k); }

}  // namespace pvmmu::guest
