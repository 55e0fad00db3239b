#include "hypervisor-model/machine/reserved_memory.h"

#include <sys/mman.h>

#include <cerrno>
#include <system_error>

namespace pvmmu::xen {

reserved_memory::reserved_memory(u64 bytes) : data_(nullptr), bytes_(bytes) {
  data_ = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data_ == MAP_FAILED) {
    throw std::system_error(errno, std::generic_category(),
                            "cannot reserve " + std::to_string(bytes >> 20) + " MiB of address space for the machine");
  }
  // A page of the model's memory is a frame of the machine's: huge pages would cost 512 times what is touched.
  ::madvise(data_, bytes, MADV_NOHUGEPAGE);
}

reserved_memory::~reserved_memory() { ::munmap(data_, bytes_); }

}  // namespace pvmmu::xen
