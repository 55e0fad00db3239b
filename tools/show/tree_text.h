#pragma once
// A page-table tree in lines: one a table, with the entries below it; runs of entries and of tables that are alike are
// told once; what the step changed begins with "*".
//
//   L4 mfn 0x233  type count 2  count 3  pinned  5 entries present: CR3 of d0v0, pinned
//     [64] L3 mfn 0x235  0x200000000000-0x207fffffffff  P|RW|US|A|D  type count 1  count 2  pinned  1 entry present
//       [0] L2 …
//         * [0] L1 mfn 0x23a …  0 → P|RW|US|A|D
//             [0-511] 0x200000000000  mfn 0x240-0x43f  P|RW|US|A|D

#include <vector>

#include "tools/report/act_text.h"
#include "tools/show/page_tree.h"

namespace pvmmu::tools {

text_block tree_text(const std::vector<tree_root>& roots, const frame_names& names);

}  // namespace pvmmu::tools
