// mremap: entries, tables and whole trees of tables move.

#include <linux/errno.h>

#include "tests/fidelity/program/memory.h"
#include "tests/fidelity/program/workloads.h"

namespace pvmmu::workload {

void move_partial(const start&) {
  map(arena, 6 * mib);
  for (const u64 slot : {0u, 7u, 8u, 511u}) write(arena + slot * page);
  write(arena + 4 * mib + 9 * page);
  map(destination + 8 * mib, page);
  write(destination + 8 * mib);
  move(arena, destination, 2 * mib);
  move(arena + 2 * mib, destination + 2 * mib, 4 * mib);
  write(destination);
  write(destination + page);
  write(destination + 2 * mib);
}

void move_1m(const start&) {
  map(arena, mib);
  touch(arena, 40 * page);
  write(arena + mib - page);
  move(arena, destination, mib);
  write(destination);
}

void move_8m(const start&) {
  map(arena, 8 * mib);
  for (u64 at = arena; at < arena + 8 * mib; at += 2 * mib) touch(at, 3 * page);
  move(arena, destination, 8 * mib);
  write(destination);
}

void move_511m(const start&) {
  map(arena, 511 * mib);
  for (u64 i = 0; i < 16; ++i) write(arena + i * (34 * mib + page));
  move(arena, destination, 511 * mib);
  write(destination);
}

void move_1g(const start&) {
  map(arena, 2 * gib);
  for (const u64 at : {u64{0}, 2 * mib, 513 * mib, gib, gib + 700 * mib}) touch(arena + at, 2 * page);
  move(arena, destination, gib);
  move(arena + gib, destination + gib, gib);
  write(destination);
  write(destination + page * 2);
  write(destination + gib);
}

void move_unaligned(const start&) {
  map(arena, 4 * mib);
  touch(arena + 2 * mib - 3 * page, 6 * page);
  move(arena + page, destination, 4 * mib - page);
  write(destination);
}

void move_mutually_aligned(const start&) {
  map(arena + mib, 4 * mib);
  for (const u64 at : {mib, 2 * mib - page, 2 * mib, 3 * mib, 4 * mib - page, 4 * mib, 5 * mib - page})
    write(arena + at);
  move(arena + mib, destination + mib, 4 * mib);
  write(destination + mib);
}

void move_grow(const start&) {
  map(arena, 2 * mib);
  touch(arena, 2 * page);
  write(arena + 2 * mib - page);
  move(arena, destination, 2 * mib, 4 * mib);
  write(destination + 2 * mib);
  must("growing in place", system_call(__NR_mremap, destination, 4 * mib, 6 * mib, 0));
  write(destination + 5 * mib);
  must("shrinking in place", system_call(__NR_mremap, destination, 6 * mib, 2 * mib, 0));
  move(destination, arena, 2 * mib, mib);
  write(arena);
}

void move_overlap(const start&) {
  map(arena, 8 * mib);
  write(arena);
  write(arena + 2 * mib);
  write(arena + 4 * mib);
  for (const u64 to : {arena + 2 * mib, arena + page})
    must_be_refused("an overlapping mremap",
                    system_call(__NR_mremap, arena, 4 * mib, 4 * mib, MREMAP_MAYMOVE | MREMAP_FIXED, to), EINVAL);
  move(arena, arena + 4 * mib, 4 * mib);
  write(arena + 4 * mib);
}

void move_protected(const start&) {
  map(arena, 4 * mib);
  touch(arena, 4 * page);
  touch(arena + 2 * mib, 4 * page);
  protect(arena, 2 * mib, PROT_READ);
  protect(arena + 2 * mib, 2 * mib, PROT_NONE);
  move(arena, destination, 2 * mib);
  move(arena + 2 * mib, destination + 2 * mib, 3 * page);
  read(destination);
  protect(destination, 2 * mib, PROT_READ | PROT_WRITE);
  protect(destination + 2 * mib, 3 * page, PROT_READ | PROT_WRITE);
  write(destination);
  write(destination + 2 * mib);
}

void move_mlocked(const start&) {
  map(arena, 4 * page);
  must("mlock", system_call(__NR_mlock, arena, 4 * page));
  move(arena, destination, 4 * page, 6 * page);
  write(destination + 5 * page);
  must("munlock", system_call(__NR_munlock, destination, 6 * page));
}

}  // namespace pvmmu::workload
