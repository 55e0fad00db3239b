// Memory of other kinds than mmap's anonymous one.

#include "tests/fidelity/program/memory.h"
#include "tests/fidelity/program/workloads.h"

namespace pvmmu::workload {

namespace {

u64 brk(u64 end) { return u64(system_call(__NR_brk, end)); }

/// A file without a name, of pages that the page cache holds.
u64 file_of(u64 pages) {
  const u64 file = must("memfd_create", system_call(__NR_memfd_create, "workload", 0));
  for (u64 i = 0; i < pages; ++i) must("pwrite", system_call(__NR_pwrite64, file, &i, sizeof(i), i * page));
  return file;
}

}  // namespace

void brk_stack(const start&) {
  const u64 heap = (brk(0) + page - 1) & ~(page - 1);
  for (const u64 end : {heap + 4 * page, heap + 8 * page}) {
    if (brk(end) != end) fail("brk", -1);
    touch(end - 4 * page, 3 * page);
  }
  if (brk(heap + 2 * page) != heap + 2 * page) fail("brk", -1);
  write(heap + page);

  const u64 stack = reinterpret_cast<u64>(__builtin_frame_address(0)) & ~(page - 1);
  for (const u64 deeper : {8 * page, 40 * page, 39 * page}) write(stack - deeper);
}

void file_private(const start&) {
  const u64 file = file_of(40);
  must("mmap", system_call(__NR_mmap, arena, 40 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, file, 0));
  read(arena + 3 * page);
  write(arena + 4 * page);
  write(arena + 20 * page);
  read(arena + 21 * page);
  read(arena + 39 * page);
  write(arena + 39 * page);
}

}  // namespace pvmmu::workload
