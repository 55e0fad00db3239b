// Several processes: copies on write, exec, and who runs. All run before ordinary tasks and none before the other, so a
// child begins when its parent waits.

#include <linux/wait.h>
#include <signal.h>

#include "tests/fidelity/program/memory.h"
#include "tests/fidelity/program/workloads.h"

namespace pvmmu::workload {

namespace {

/// The child's id in the parent, 0 in the child. Both write to their stack before anything else: when a compiler's code
/// would do so first is not known.
s64 fork() {
  const s64 child = system_call(__NR_clone, SIGCHLD, 0, 0, 0, 0);
  asm volatile("pushq $0; popq %%rcx" : : : "rcx", "memory");
  return s64(must("clone", child));
}

void wait_for(s64 child) {
  int status = 0;
  must("wait4", system_call(__NR_wait4, child, &status, 0, 0));
  if (status != 0) fail("a child's status", status);
}

}  // namespace

void fork_cow(const start&) {
  map(arena, 4 * mib);
  touch(arena, 4 * page);
  write(arena + 2 * mib);
  const s64 child = fork();
  if (child == 0) {
    write(arena);
    write(arena + page);
    write(arena + 5 * page);
    exit_process(0);
  }
  write(arena + page);
  wait_for(child);
  write(arena);
  read(arena + 2 * page);
  write(arena + 3 * page);
}

void fork_many(const start&) {
  map(arena, 2 * mib);
  touch(arena, 100 * page);
  const s64 child = fork();
  if (child == 0) exit_process(0);
  wait_for(child);
  touch(arena, 2 * page);
}

void fork_grandchild(const start&) {
  map(arena, 2 * mib);
  touch(arena, 4 * page);
  const s64 child = fork();
  if (child == 0) {
    write(arena);
    const s64 grandchild = fork();
    if (grandchild == 0) {
      write(arena);
      write(arena + page);
      exit_process(0);
    }
    wait_for(grandchild);
    touch(arena, 3 * page);
    exit_process(0);
  }
  wait_for(child);
  touch(arena, 4 * page);
}

void fork_shared(const start&) {
  map(arena, 2 * mib, PROT_READ | PROT_WRITE, MAP_SHARED);
  touch(arena, 3 * page);
  const s64 child = fork();
  if (child == 0) {
    read(arena);
    write(arena + page);
    write(arena + 4 * page);
    exit_process(0);
  }
  wait_for(child);
  write(arena);
  read(arena + 4 * page);
}

void exec(const start& given) {
  map(arena, 2 * mib);
  touch(arena, 4 * page);
  const char* const argv[] = {"workload", "exec_entered", nullptr};
  const char* const environment[] = {nullptr};
  must("execve", system_call(__NR_execve, given.executable, argv, environment));
}

void exec_entered(const start&) {
  map(arena, 2 * mib);
  touch(arena, 4 * page);
}

void switch_processes(const start&) {
  int there[2];
  int back[2];
  must("pipe2", system_call(__NR_pipe2, there, 0));
  must("pipe2", system_call(__NR_pipe2, back, 0));
  char word = 0;
  map(arena, 2 * mib);
  write(arena);
  const s64 child = fork();
  for (u64 round = 0; round < 4; ++round) {
    if (child == 0) must("read", system_call(__NR_read, there[0], &word, 1));
    write(arena + (child == 0) * page);
    must("write", system_call(__NR_write, (child == 0 ? back : there)[1], &word, 1));
    if (child != 0) must("read", system_call(__NR_read, back[0], &word, 1));
  }
  if (child != 0) wait_for(child);
}

}  // namespace pvmmu::workload
