// workload NAME: writes the mark, does what NAME says, and exits. 0: all as expected; 1: a system call was not, which a
// line on stderr names; 2: no such name.

#include <linux/auxvec.h>
#include <linux/sched.h>

#include "tests/fidelity/program/memory.h"
#include "tests/fidelity/program/workloads.h"

namespace pvmmu::workload {

namespace {

struct named {
  const char* name;
  body run;
};

constexpr named workloads[] = {
    {"touch", touch_boundaries},
    {"read_first", read_first},
    {"exit_many_tables", exit_many_tables},
    {"move_partial", move_partial},
    {"move_1m", move_1m},
    {"move_8m", move_8m},
    {"move_511m", move_511m},
    {"move_1g", move_1g},
    {"move_unaligned", move_unaligned},
    {"move_mutually_aligned", move_mutually_aligned},
    {"move_grow", move_grow},
    {"move_overlap", move_overlap},
    {"move_protected", move_protected},
    {"move_mlocked", move_mlocked},
    {"fork_cow", fork_cow},
    {"fork_two_cpus", fork_cow},
    {"fork_many", fork_many},
    {"fork_grandchild", fork_grandchild},
    {"fork_shared", fork_shared},
    {"exec", exec},
    {"exec_entered", exec_entered},
    {"switch", switch_processes},
    {"mprotect", mprotect},
    {"mprotect_holes", mprotect_holes},
    {"madvise", madvise},
    {"munmap_parts", munmap_parts},
    {"brk_stack", brk_stack},
    {"file_private", file_private},
    {"uffd_copy", uffd_copy},
    {"uffd_move", uffd_move},
    {"two_threads", two_threads},
    {"two_faulting", two_faulting},
};

bool same(const char* a, const char* b) {
  while (*a && *a == *b) ++a, ++b;
  return *a == *b;
}

body find(const char* name) {
  for (const named& workload : workloads)
    if (same(workload.name, name)) return workload.run;
  return nullptr;
}

/// On the first CPU, and before all tasks of the ordinary kind: what runs in between is then the same in every run. A
/// user's process may not ask for it, and does without. A second CPU, if there is one, has the address space loaded
/// from then on, wherever the program began.
void take_the_cpu() {
  const int priority = 1;
  system_call(__NR_sched_setscheduler, 0, SCHED_FIFO, &priority);
  for (const u64 cpus : {2u, 1u}) system_call(__NR_sched_setaffinity, 0, sizeof(cpus), &cpus);
}

/// The entry of this type in what the kernel left above argv and the environment.
u64 auxiliary(const u64* argv_end, u64 type) {
  const u64* at = argv_end + 1;
  while (*at) ++at;
  for (++at; at[0] != AT_NULL; at += 2)
    if (at[0] == type) return at[1];
  fail("auxiliary vector", 0);
}

}  // namespace

}  // namespace pvmmu::workload

extern "C" [[noreturn]] void workload_main(const pvmmu::u64* stack) {
  using namespace pvmmu::workload;
  const pvmmu::u64 argc = stack[0];
  const body run = argc == 2 ? find(reinterpret_cast<const char*>(stack[2])) : nullptr;
  if (run == nullptr) exit_process(2);
  const start given{.executable = reinterpret_cast<const char*>(auxiliary(stack + 1 + argc, AT_EXECFN))};
  take_the_cpu();
  map(mark, page);
  write(mark);
  run(given);
  exit_process(0);
}
