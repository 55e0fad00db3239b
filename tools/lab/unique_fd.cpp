#include "tools/lab/unique_fd.h"

#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace pvmmu::lab {

unique_fd::~unique_fd() { reset(); }

void unique_fd::reset() {
  if (fd_ >= 0) close(std::exchange(fd_, -1));
}

unique_fd checked_fd(int fd, const char* what) {
  if (fd < 0) throw std::system_error(errno, std::generic_category(), what);
  return unique_fd{fd};
}

}  // namespace pvmmu::lab
