#pragma once
// Recounts every reference from memory and compares with the frame table: invariants I1-I7, I10 and I12 of the PV MMU
// (general count, type count, exclusivity, partial state, pins, validated entries, linear counts, lifecycle, roots).
// It judges the state with code that did not make it: it includes nothing of page_type, validate or mod_entry.

#include <string>
#include <vector>

#include "hypervisor-model/domain.h"

namespace pvmmu::xen {

struct audit_finding {
  std::string invariant;  ///< "I1"
  mfn_t mfn;
  std::string text;  ///< what was expected and what was found
};

/// Every violation, in ascending order of frames. Empty: the state is sound.
std::vector<audit_finding> audit(machine& m);

}  // namespace pvmmu::xen
