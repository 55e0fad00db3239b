#pragma once
// Programs from files, on both sides.

#include <string>
#include <vector>

#include "tools/conform/comparison.h"
#include "tools/conform/named_program.h"

namespace pvmmu::conform {

struct checked_program {
  lab::program_answer real{};
  lab::program_answer model{};
  std::optional<difference> differs{};
  std::vector<std::string> unmet{};  ///< what the file expects and the real Xen does not do
};

/// One for each program, in order. Throws lab_error.
std::vector<checked_program> check(const lab::lab& real, const std::vector<named_program>& programs,
                                   const subject_maker& make_subject);

}  // namespace pvmmu::conform
