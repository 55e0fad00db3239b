#include "tools/lab/xen_memory.h"

#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "tools/lab/lab_error.h"

namespace pvmmu::lab {

void xen_memory::stop_where_visible(u64 va) {
  for (int attempt = 0; attempt < 50; ++attempt) {
    machine_.monitor().stop();
    if (machine_.monitor().memsave(va, 8, dump_.path())) return;
    machine_.monitor().cont();
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  throw lab_error("Xen's memory cannot be seen: the machine is always found in user mode");
}

const u8* xen_memory::read(u64 va, u64 bytes) {
  if (bytes > dump_.bytes()) throw lab_error("more of Xen's memory than expected is to be read");
  if (const auto done = machine_.monitor().memsave(va, bytes, dump_.path()); !done)
    throw lab_error(fmt::format("Xen's memory at {:#x} cannot be read: {}", va, done.error()));
  return dump_.data();
}

}  // namespace pvmmu::lab
