#include "tools/lab/shared_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace pvmmu::lab {

shared_memory::shared_memory(const char* name, u64 bytes)
    : fd_(checked_fd(memfd_create(name, 0), "memfd_create")), data_(nullptr), bytes_(bytes) {
  if (ftruncate(fd_.get(), static_cast<off_t>(bytes)) != 0)
    throw std::system_error(errno, std::generic_category(), "ftruncate");
  void* at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0);
  if (at == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
  data_ = static_cast<u8*>(at);
}

shared_memory::~shared_memory() { munmap(data_, bytes_); }

}  // namespace pvmmu::lab
