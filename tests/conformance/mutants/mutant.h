#pragma once
// A rule that the model keeps, and the change of its source that takes it away: the comparison with the real Xen must
// see that. The changes are texts, so that the model itself has no switches.

#include <span>
#include <string_view>

namespace pvmmu::conform {

struct mutant {
  std::string_view name;
  std::string_view rule;  ///< what is no longer so, and where Xen has it (xen 4.17 mm.c if only lines are named)
  std::string_view file;  ///< in hypervisor-model
  std::string_view from;  ///< stands exactly once in the file
  std::string_view to;
};

std::span<const mutant> mutants();

}  // namespace pvmmu::conform
