#pragma once
// Walking a process's page tables, and adding to them: linux 6.1 mm/memory.c __pud_alloc … pmd_install,
// arch/x86/include/asm/pgalloc.h, arch/x86/mm/pgtable.c.

#include "guest-pv/kernel_state.h"

namespace pvmmu::guest {

inline constexpr u64 PMD_SIZE = entry_span(2);
inline constexpr u64 PUD_SIZE = entry_span(3);
inline constexpr u64 PGDIR_SIZE = entry_span(4);

/// The end of the entry of `level` that `va` lies in, or `end` if that comes first. In bytes.
constexpr u64 entry_end(u64 va, u64 end, unsigned level) {
  const u64 boundary = (va + entry_span(level)) & ~(entry_span(level) - 1);
  return boundary - 1 < end - 1 ? boundary : end;
}

/// The entry of `level` for `va`; nothing if a table on the way is missing.
std::optional<entry_ref> find_entry(kernel_state& k, const mm& mm, u64 va, unsigned level);
/// The same, allocating what is missing on the way from the top: each table first made known to the backend, then
/// hooked in.
entry_ref alloc_entry(kernel_state& k, mm& mm, u64 va, unsigned level);

/// The frame of an entry that is not none. An entry that refers to a frame of somebody else, which only calls made by
/// hand can set, is the kernel's end: guest_stopped (bug).
pfn_t frame_of(kernel_state& k, pte_t entry);
/// The table that an entry refers to.
pfn_t table_below(kernel_state& k, entry_ref e);
bool none(kernel_state& k, entry_ref e);

/// pmd_populate, pud_populate, p4d_populate: hooks `table` in at the entry `e` of `level`.
void populate(kernel_state& k, mm& mm, entry_ref e, unsigned level, pfn_t table);
/// set_pmd, set_pud, set_p4d by level.
void set_entry(kernel_state& k, entry_ref e, unsigned level, pte_t value);

/// set_ptes of one entry, and set_pte_at, which is the same from 6.6 on.
void set_pte_at(kernel_state& k, entry_ref e, pte_t value);

/// pgd_alloc: the kernel's half as in init_mm, and whatever else the backend needs.
void pgd_alloc(kernel_state& k, mm& mm);
void pgd_free(kernel_state& k, mm& mm);

}  // namespace pvmmu::guest
