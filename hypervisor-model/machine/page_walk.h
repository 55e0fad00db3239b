#pragma once
// The processor's walk through a guest's page tables.

#include <optional>

#include "hypervisor-model/machine/machine.h"

namespace pvmmu::xen {

/// The L1 that maps `va`, an address that the guest may use, under the L4 `root`, if L4, L3 and L2 entries are present
/// and no superpage is in the way. Xen reads the L2 entry through its linear map of the tables, so that the processor
/// passes the L4 and the L3 entry, and marks them accessed (xen 4.17 pv/mm.c:33 map_guest_l1e).
std::optional<mfn_t> map_guest_l1(machine& m, mfn_t root, u64 va);

/// Where a walk ends.
struct translation {
  bool present = false;  ///< every level had a present entry
  bool writable = true;  ///< RW at every level
  bool user = true;      ///< U at every level: ring 3, where PV guests run, needs it
  bool accessed = true;  ///< A at every level
  bool dirty = false;    ///< D in the last entry
  mfn_t frame{};         ///< of the address, if present
  mfn_t table{};         ///< that holds the last entry looked at
  unsigned slot = 0;
  unsigned level = 0;
};

translation walk(const machine& m, mfn_t root, u64 va);

/// What the processor notes in the entries that a walk passed on its way to `t`, whatever becomes of the access: all
/// above the last that it looked at are accessed (as QEMU's processor does it; the real Xen ran on that one).
void set_accessed_above(machine& m, mfn_t root, u64 va, const translation& t);

/// The L1 entry of `va` in the kernel's tables, 0 if there is none. Xen reads it through its linear map, so that what
/// is above it becomes accessed, but the entry itself does not (xen 4.17 pv/mm.h guest_get_eff_kern_l1e).
pte_t guest_get_eff_kern_l1e(machine& m, mfn_t root, u64 va);

/// What the processor notes in the entries of a walk that allowed an access: accessed at each level, dirty in the last.
void set_accessed_dirty(machine& m, mfn_t root, u64 va, bool write);

}  // namespace pvmmu::xen
