#pragma once
// What a guest asked, in one line a request, so that tests can quote sequences as the sources give them:
//
//   xen_set_pmd: mmu_update{old L2[0]=0}
//   xen_alloc_ptpage: multicall{va RO L1, PIN_L1_TABLE L1}
//   ptep_get_and_clear: trap L1[0]
//
// Frames are shown by the names that the test gives them, others as "?".

#include <map>
#include <string>
#include <vector>

#include "guest-pv/hypercalls.h"
#include "proto/abi/pte.h"

namespace pvmmu::guest {

using frame_names = std::map<mfn_t, std::string>;

/// A request with what it refers to copied, as the lists in a call do not outlive it.
struct recorded_call {
  std::string caller;
  u64 number = 0;  ///< hypercall number; 0: a store that Xen emulated
  std::vector<mmu_update_t> updates{};
  std::vector<mmuext_op_t> ops{};
  update_va_mapping_call va_mapping{};
  std::vector<recorded_call> entries{};  ///< of a multicall
  long result = 0;
  access_kind store = access_kind::write;  ///< of a store that Xen emulated
};

recorded_call record(const hypercall& call, std::string_view caller);
/// Without the caller.
std::string describe(const recorded_call& call, const frame_names& names);

/// All of them with their callers; `n` equal lines in a row become one, prefixed with "n x ".
std::vector<std::string> describe(const std::vector<recorded_call>& calls, const frame_names& names);

}  // namespace pvmmu::guest
