#pragma once
// Handles of grants' mappings, told apart by when they were given: which numbers they are depends on all programs that
// the boot ran before, and a program that runs alone gets others.

#include "tools/lab/program.h"

namespace pvmmu::conform {

/// Puts into `answer`, of a program that ran alone, the handles that the real Xen has given in the same places.
void give_handles_of(const lab::program_answer& real, const lab::program& p, lab::program_answer& answer);

}  // namespace pvmmu::conform
