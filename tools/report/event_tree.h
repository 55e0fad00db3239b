#pragma once
// The events of one hypercall, by the entry that caused them:
//
//   multicall                      own: nothing
//     entry 0: update_va_mapping   own: the pte, the counts
//     entry 1: mmuext_op           own: nothing
//       entry 0: PIN_L1_TABLE      own: type_info, validated
//
// A call that was preempted comes in pieces, whose entries count from 0 again; here they count through.

#include <map>
#include <vector>

#include "tools/report/journal.h"

namespace pvmmu::tools {

struct event_tree {
  std::vector<const owned_event*> own;  ///< caused by the call as a whole, or by this entry of it
  std::map<u32, event_tree> entries;    ///< those that Xen got to, by their index
  u64 preempted = 0;                    ///< how often the call was continued
  u32 base = 0;                         ///< index of the first entry of the current piece
};

event_tree tree_of(const act& a);

/// Index of the first entry of a piece of `call` that goes on with so many.
u32 first_entry_of_piece(const hypercall& call, u64 entries_left);

}  // namespace pvmmu::tools
