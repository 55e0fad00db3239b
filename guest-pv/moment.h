#pragma once
// The moments within a kernel's operation at which something else may come in between: another vCPU, an interrupt,
// another process. There are no threads: whoever wants to come in between listens, and does it when told.
//
//   k.listen([&](moment m) { if (m == moment::queued && ++n == 2) k.aside([&] { k.exit_mmap(0, a); }); });

#include <functional>

#include "proto/abi/types.h"

namespace pvmmu::guest {

enum class moment : u8 {
  queued,             ///< an update or operation waits in this vCPU's multicall buffer, interrupts are on again
  called,             ///< a hypercall has returned, and what it carried is no longer queued
  lazy_mmu_counted,   ///< lazy_nesting in_task: the section is counted in the task, Xen's backend has not heard of it
  lazy_mmu_uncounted  ///< … and the same at its end
};

using moment_listener = std::function<void(moment)>;

}  // namespace pvmmu::guest
