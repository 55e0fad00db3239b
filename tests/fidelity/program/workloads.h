#pragma once
// The workloads, by theme: what each does in `arena` and `destination`. The scenario of the same name beside this
// folder says the same in the guest model's words, and what it is about.

#include "proto/abi/types.h"

namespace pvmmu::workload {

/// What a program is given besides its name.
struct start {
  const char* executable;  ///< its own file
};

using body = void (*)(const start&);

// touch.cpp
void touch_boundaries(const start&);
void read_first(const start&);
void exit_many_tables(const start&);

// move.cpp
void move_partial(const start&);
void move_1m(const start&);
void move_8m(const start&);
void move_511m(const start&);
void move_1g(const start&);
void move_unaligned(const start&);
void move_mutually_aligned(const start&);
void move_grow(const start&);
void move_overlap(const start&);
void move_protected(const start&);
void move_mlocked(const start&);

// fork.cpp
void fork_cow(const start&);
void fork_many(const start&);
void fork_grandchild(const start&);
void fork_shared(const start&);
void exec(const start&);
void exec_entered(const start&);
void switch_processes(const start&);

// protect.cpp
void mprotect(const start&);
void mprotect_holes(const start&);
void madvise(const start&);
void munmap_parts(const start&);

// areas.cpp
void brk_stack(const start&);
void file_private(const start&);

// uffd.cpp
void uffd_copy(const start&);
void uffd_move(const start&);

// threads.cpp
void two_threads(const start&);
void two_faulting(const start&);

}  // namespace pvmmu::workload
