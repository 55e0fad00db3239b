#pragma once
// The way into the hypervisor: one dispatch table.
//
//   machine m(config);
//   auto info = build_domain(m, domain_config{});            // domain_builder.h
//   hypercall call = mmu_update_call{...};
//   long rc = do_hypercall(m, *m.find_domain(info->domid)->vcpus[0], call);

#include "hypervisor-model/domain.h"
#include "proto/abi/hypercall.h"

namespace pvmmu::xen {

/// Runs a call to its end, continuations followed, and returns what the guest finds in rax. Writes `pdone` and the
/// results of multicall entries into `call`. The domain must not have crashed.
long do_hypercall(machine& m, vcpu& curr, hypercall& call);

/// Runs one piece of a call, as one entry into Xen does. Where it is preempted, `curr.hcall_preempted` is set, the
/// result is the call's own number, and `call` has become what the guest's processor would call again with.
long do_hypercall_piece(machine& m, vcpu& curr, hypercall& call);

}  // namespace pvmmu::xen
