// userfaultfd: pages put where none are, as a process's pager does it.

#include <linux/ioctl.h>
#include <linux/userfaultfd.h>

#include "tests/fidelity/program/memory.h"
#include "tests/fidelity/program/workloads.h"

namespace pvmmu::workload {

namespace {

// Linux 6.8 and later, so not in every system's header.
struct uffdio_move {
  u64 dst;
  u64 src;
  u64 len;
  u64 mode;
  s64 move;
};
constexpr u64 UFFDIO_MOVE_ = _IOWR(UFFDIO, 0x05, uffdio_move);
constexpr u64 UFFD_FEATURE_MOVE_ = u64{1} << 16;

/// A userfaultfd that waits for the pages of [va, va + bytes).
u64 register_missing(u64 va, u64 bytes, u64 features) {
  const u64 uffd = must("userfaultfd", system_call(__NR_userfaultfd, UFFD_USER_MODE_ONLY));
  uffdio_api api = {.api = UFFD_API, .features = features, .ioctls = 0};
  must("UFFDIO_API", system_call(__NR_ioctl, uffd, UFFDIO_API, &api));
  uffdio_register area = {.range = {va, bytes}, .mode = UFFDIO_REGISTER_MODE_MISSING, .ioctls = 0};
  must("UFFDIO_REGISTER", system_call(__NR_ioctl, uffd, UFFDIO_REGISTER, &area));
  return uffd;
}

void copy(u64 uffd, u64 to, u64 from, u64 bytes) {
  uffdio_copy request = {.dst = to, .src = from, .len = bytes, .mode = 0, .copy = 0};
  must("UFFDIO_COPY", system_call(__NR_ioctl, uffd, UFFDIO_COPY, &request));
}

void move_pages(u64 uffd, u64 to, u64 from, u64 bytes) {
  uffdio_move request = {.dst = to, .src = from, .len = bytes, .mode = 0, .move = 0};
  must("UFFDIO_MOVE", system_call(__NR_ioctl, uffd, UFFDIO_MOVE_, &request));
}

}  // namespace

void uffd_copy(const start&) {
  map(arena, 2 * mib);
  touch(arena, 3 * page);
  map(destination, 4 * mib);
  const u64 uffd = register_missing(destination, 4 * mib, 0);
  copy(uffd, destination, arena, 3 * page);
  copy(uffd, destination + 2 * mib - page, arena, 2 * page);
  write(destination);
  read(destination + 2 * mib);
}

void uffd_move(const start&) {
  map(arena, 2 * mib);
  touch(arena, 4 * page);
  map(destination, 4 * mib);
  const u64 uffd = register_missing(destination, 4 * mib, UFFD_FEATURE_MOVE_);
  move_pages(uffd, destination, arena, page);
  move_pages(uffd, destination + 2 * mib - page, arena + page, 2 * page);
  write(destination);
  read(destination + 2 * mib);
  write(arena);
}

}  // namespace pvmmu::workload
