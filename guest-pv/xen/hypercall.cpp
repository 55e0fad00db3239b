#include "guest-pv/xen/hypercall.h"

#include <fmt/format.h>

namespace pvmmu::guest {

void bug(processor& cpu, std::string_view where) {
  const std::string line = fmt::format("kernel BUG in {}", where);
  cpu.printk(line);
  throw guest_stopped(guest_stopped::reason::bug, line);
}

void xen_hypercall::make_or_bug(hypercall call, std::string_view caller) {
  if (make(call, caller) != 0) bug(cpu_, caller);
}

}  // namespace pvmmu::guest
