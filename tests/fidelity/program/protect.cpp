// What happens to pages that are there: protection, and the end of some of them.

#include <linux/errno.h>

#include "tests/fidelity/program/memory.h"
#include "tests/fidelity/program/workloads.h"

namespace pvmmu::workload {

void mprotect(const start&) {
  map(arena, 2 * mib);
  touch(arena, 40 * page);
  protect(arena, 2 * mib, PROT_READ);
  read(arena);
  protect(arena, 2 * mib, PROT_READ | PROT_WRITE);
  write(arena);
  protect(arena, 8 * page, PROT_NONE);
  protect(arena + 4 * page, 8 * page, PROT_READ);
  protect(arena, 16 * page, PROT_READ | PROT_WRITE);
  touch(arena, 16 * page);
}

void mprotect_holes(const start&) {
  map(arena, 8 * mib);
  touch(arena, 2 * page);
  write(arena + 5 * page);
  touch(arena + 4 * mib - page, 2 * page);
  protect(arena, 8 * mib, PROT_READ);
  protect(arena + page, 6 * mib, PROT_NONE);
  protect(arena, 8 * mib, PROT_READ | PROT_WRITE);
  unmap(arena + 2 * mib, mib);
  must_be_refused("mprotect over no area", system_call(__NR_mprotect, arena, 8 * mib, PROT_READ), ENOMEM);
  protect(arena, 2 * mib, PROT_READ | PROT_WRITE);
  write(arena);
  write(arena + 4 * page);
}

void madvise(const start&) {
  map(arena, 6 * mib);
  touch(arena, 8 * page);
  write(arena + 2 * mib - page);
  write(arena + 4 * mib);
  must("madvise", system_call(__NR_madvise, arena + 2 * page, 4 * mib, MADV_DONTNEED));
  write(arena + 2 * page);
  read(arena + 3 * page);
  must("madvise", system_call(__NR_madvise, arena, 6 * mib, MADV_DONTNEED));
  write(arena);
}

void munmap_parts(const start&) {
  map(arena, 16 * mib);
  for (u64 at = arena; at < arena + 16 * mib; at += 2 * mib) touch(at, 3 * page);
  unmap(arena, page);
  unmap(arena + page, 2 * mib);
  unmap(arena + 14 * mib + 2 * page, 2 * mib - 2 * page);
  unmap(arena + 12 * mib, 2 * mib + 2 * page);
  unmap(arena + 4 * mib + page, page);
  unmap(arena + 6 * mib, 4 * mib);
  write(arena + 4 * mib);
  map(arena + 6 * mib, 2 * mib);
  write(arena + 6 * mib);
}

}  // namespace pvmmu::workload
