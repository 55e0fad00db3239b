#pragma once
// The references that one present entry of a page table holds: which flags it may have, how it is adjusted, what it
// takes from its target and gives back (xen 4.17 mm.c:859-1345, pv/mm.h:86-140).
//
//   level   refused flags                          adjusted                                   takes from the target
//   L1      PWT PCD PAT unless devices are mapped  U=0: becomes kernel (bit 52) and U;        general; writable type if
//   RW
//           (bit 62 in a debug build)              not kernel: G and U
//   L2 L3   PWT PCD PSE G                          U                                          general; type one level
//   down, L4      PWT PCD PSE G                          U                                          or a legal linear
//   entry's

#include "hypervisor-model/domain.h"
#include "hypervisor-model/outcome.h"

namespace pvmmu::xen {

/// Flags of `e` that its level refuses; 0: none.
u64 disallowed_flags(const machine& m, unsigned level, pte_t e, const domain& d);

/// What Xen makes of a present entry's flags before it stores it.
pte_t adjust_guest_entry(machine& m, unsigned level, pte_t e);

/// Takes what a present L1 entry of `l1e_owner`'s table holds in a frame of `pg_owner`. Returns flags to flip in the
/// entry (MMIO: cache attributes; 0 for memory), or -EINVAL, -EPERM, -EBUSY, -EACCES as in xen 4.17 mm.c:859.
std::expected<u64, xen_errno> get_page_from_l1e(machine& m, pte_t l1e, domain& l1e_owner, domain& pg_owner);
void put_page_from_l1e(machine& m, pte_t l1e);

/// The same for a present entry of a table at `level` 2 to 4; `flags` are PTF_*.
outcome get_page_from_entry(machine& m, unsigned level, pte_t e, mfn_t table, domain& d, unsigned flags);
/// True: a reference was dropped (or will be, with PTF_defer). False: the entry held none.
std::expected<bool, xen_errno> put_page_from_entry(machine& m, unsigned level, pte_t e, mfn_t table, unsigned flags);

/// The L1TF rule for an entry that is not present: true crashes the domain (xen 4.17 asm/shadow.h:190; this build has
/// no shadow paging to fall back to).
bool pv_l1tf_check(machine& m, unsigned level, pte_t e, domain& d);

}  // namespace pvmmu::xen
