#pragma once
// The version of a domain's grant table (xen 4.17 common/grant_table.c:1782-1895, 3167-3401).
//
//   1   an entry is one word, and Xen says in it whether the grant is mapped
//   2   an entry is two words, and Xen says so in status frames: pages of its heap that the domain may map writable
//
// A change of version clears the table, but for the first eight entries: they are translated. It is refused while
// another entry is mapped, and, back to version 1, while the domain refers to a status frame (-EBUSY, XSA-255).

#include "hypervisor-model/domain.h"
#include "proto/abi/grant_table.h"

namespace pvmmu::xen {

/// Where the status of a grant of version 2 lies: 16 bits of a word.
struct grant_status_place {
  mfn_t frame;
  unsigned slot;
  unsigned shift;
};
grant_status_place place_of_status(const grant_table& gt, u32 ref);

/// For the caller's own table. -EINVAL: no such version; -EBUSY: in use; -ERANGE: one of the first eight entries cannot
/// be said in version 1; -ENOMEM. The table is then as before.
long gnttab_set_version(machine& m, domain& d, gnttab_set_version_t& op);

/// Tells the status frames of `op.dom`. -EINVAL: `count` is not 1. The rest is op.status's: a domain of whose table the
/// caller may not know, more frames than there are, a list that cannot be written.
long gnttab_get_status_frames(machine& m, domain& d, u32 count, gnttab_get_status_frames_t& op);

}  // namespace pvmmu::xen
