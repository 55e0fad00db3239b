#pragma once
// Programs as the probe's module, and its results as answers: both directions of tests/conformance/probe/program.h.

#include <span>
#include <vector>

#include "tools/lab/program.h"

namespace pvmmu::lab {

/// The module's bytes. Throws std::invalid_argument for a program that the format cannot say: too many frames, entries
/// or lists (probe::max_…).
std::vector<u8> encode(std::span<const program> programs);

/// Answers from the results' bytes; programs that the probe did not get to are not_run, the one that it did not end is
/// `crashed`. Throws lab_error if they are no results of these programs.
std::vector<program_answer> decode(std::span<const program> programs, std::span<const u8> results);

}  // namespace pvmmu::lab
