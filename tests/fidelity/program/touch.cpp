// First touches, and the tables that they need.

#include "tests/fidelity/program/memory.h"
#include "tests/fidelity/program/workloads.h"

namespace pvmmu::workload {

void touch_boundaries(const start&) {
  map(arena, 2 * gib);
  write(arena);
  write(arena + page);
  for (const u64 boundary : {2 * mib, gib}) {
    write(arena + boundary - page);
    write(arena + boundary);
  }
  const u64 next_pud_table = arena + 512 * gib;
  map(next_pud_table - page, 2 * page);
  write(next_pud_table - page);
  write(next_pud_table);
}

void read_first(const start&) {
  map(arena, 8 * page);
  read(arena);
  read(arena + page);
  write(arena);
  write(arena + 2 * page);
  read(arena + 2 * page);
  read(arena + 3 * page);
}

void exit_many_tables(const start&) {
  for (const u64 far : {arena, arena + 512 * gib, arena + 1024 * gib}) {
    map(far, 2 * gib);
    for (const u64 table : {u64{0}, gib}) {
      touch(far + table, 2 * page);
      write(far + table + 2 * mib);
      write(far + table + 1000 * mib);
    }
  }
}

}  // namespace pvmmu::workload
