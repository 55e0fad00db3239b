// Two threads of one process on two CPUs. They wait by looking: a thread that sleeps would leave its CPU to others, at
// moments that no one chose.

#include <linux/errno.h>
#include <linux/sched.h>

#include "tests/fidelity/program/memory.h"
#include "tests/fidelity/program/workloads.h"

namespace pvmmu::workload {

namespace {

constexpr u64 both_have_it = arena;         // touched before the second thread begins; its first word is the turn
constexpr u64 pages = arena + 2 * mib;      // what the threads work on
constexpr u64 stack_end = arena + 8 * mib;  // of the second thread

volatile u64& turn() { return *reinterpret_cast<volatile u64*>(both_have_it); }

void wait_for_turn(u64 number) {
  while (turn() != number) asm volatile("pause");
}

void run_on(u64 cpu) {
  const u64 cpus = u64{1} << cpu;
  must("sched_setaffinity", system_call(__NR_sched_setaffinity, 0, sizeof(cpus), &cpus));
}

void second_thread(void*) {
  turn() = 1;
  wait_for_turn(2);
  touch(pages, 4 * page);
  turn() = 3;
  wait_for_turn(4);
  write(pages + 2 * mib);
  turn() = 5;
  wait_for_turn(6);
  system_call(__NR_exit, 0);
}

void second_faulting(void*) {
  turn() = 1;
  wait_for_turn(2);
  touch(pages, 256 * page);
  turn() = 3;
  wait_for_turn(4);
  system_call(__NR_exit, 0);
}

}  // namespace

extern "C" s64 clone_thread(u64 flags, u64 stack_end, void (*run)(void*), void* argument);

namespace {

/// Returns its id, when it runs on the second CPU and this one on the first.
u64 begin_second(void (*run)(void*)) {
  map(arena, 8 * mib);
  touch(both_have_it, 2 * page);
  write(stack_end - page);
  // A thread begins on its creator's CPU: this one makes it there, and leaves.
  run_on(1);
  const u64 flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
  const u64 thread = must("clone", clone_thread(flags, stack_end, run, nullptr));
  run_on(0);
  wait_for_turn(1);
  return thread;
}

/// The second thread's end: nobody has its id any more, and its CPU still has the address space loaded.
void wait_for_end(u64 thread) {
  while (system_call(__NR_tgkill, system_call(__NR_getpid), thread, 0) != -ESRCH) asm volatile("pause");
}

}  // namespace

void two_threads(const start&) {
  const u64 thread = begin_second(second_thread);
  turn() = 2;
  wait_for_turn(3);
  protect(pages, 4 * page, PROT_READ);
  protect(pages, 4 * page, PROT_READ | PROT_WRITE);
  move(pages, destination, 2 * mib);
  turn() = 4;
  wait_for_turn(5);
  must("madvise", system_call(__NR_madvise, pages + 2 * mib, page, MADV_DONTNEED));
  unmap(destination, 2 * mib);
  turn() = 6;
  wait_for_end(thread);
}

void two_faulting(const start&) {
  const u64 thread = begin_second(second_faulting);
  turn() = 2;
  touch(pages + 2 * mib, 256 * page);
  wait_for_turn(3);
  turn() = 4;
  wait_for_end(thread);
}

}  // namespace pvmmu::workload
