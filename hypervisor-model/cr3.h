#pragma once
// Loading page tables: what MMUEXT_NEW_BASEPTR and NEW_USER_BASEPTR do (xen 4.17 mm.c:3283, 3677).

#include "hypervisor-model/domain.h"
#include "hypervisor-model/outcome.h"

namespace pvmmu::xen {

/// Takes a domain's L4 for a vCPU. -ERESTART: preempted, call again.
outcome get_root_table(machine& m, const domain& d, mfn_t mfn);

/// fill_ro_mpt and zap_ro_mpt: slot 256 of a kernel's L4 shows the M2P unless the domain has asked for m2p_strict; of
/// user mode's it does not if it has.
void show_ro_m2p(machine& m, const domain& d, mfn_t l4);
void hide_ro_m2p(machine& m, const domain& d, mfn_t l4);

/// new_guest_cr3: takes the new L4, loads it, drops the old one. Errors: -EINVAL or what validating it comes to;
/// -ERESTART: preempted, call again.
outcome new_guest_cr3(machine& m, vcpu& curr, mfn_t mfn);

/// The same for user mode's table; 0 unloads it.
outcome new_user_baseptr(machine& m, vcpu& curr, mfn_t mfn);

}  // namespace pvmmu::xen
