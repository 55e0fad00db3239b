#pragma once
// Recounts every reference from memory and compares with the frame table: the invariants of the PV MMU. It judges the
// state with code that did not make it: it includes nothing of page_type, validate or mod_entry.
//
//   I1  general count      check_frame: allocation, pin, partial, and what recount sums up: entries, vCPUs, GDTs, LDTs
//   I2  type count         check_types, by the same sums
//   I3  exclusivity        check_types: no writable entry to a table; walk_writable: none that a root leads to
//   I4  partial state      check_table, and visit_references for the slot at which a partial table stopped
//   I5  pins               check_table; that they change by PIN, UNPIN and the end of a domain alone: transition_audit
//   I6  validated entries  visit_references; check_table: in use means validated or partial
//   I7  linear counts      check_table: entries out or in, never both
//   I8  TLB                transition_audit
//   I10 lifecycle          check_lifecycle, visit_references, check_free_frames
//   I11 teardown           check_lifecycle and check_dying: nothing is left but what others refer to
//   I12 roots              check_xens_slots, run
//   I13 failure            transition_audit
//   I14 schedules          a property of runs: tests/conformance/schedules_test.cpp
//
// I9 is not there: no IOMMU is modelled.

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
