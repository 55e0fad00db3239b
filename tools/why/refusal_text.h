#pragma once
// A refusal as a person reads it:
//
//   step 51, xen_set_pte: mmu_update
//     refused    entry 3: mfn 0x240[7] → mfn 0x233 P|RW|US|A|D with -EBUSY
//     rule       A frame has one type at a time. …
//     state      mfn 0x233: L2 of d0, validated, type count 1, count 2
//                  L3 mfn 0x232[0] writable                       since step 12, xen_set_pud: mmu_update
//     accepted   …
//     Xen        4.17 arch/x86/mm.c:2940 "Bad type (saw 44… != exp e0…) for mfn 00233 (pfn 00033)"

#include <boost/json/object.hpp>

#include "tools/report/fold.h"
#include "tools/why/refusal.h"

namespace pvmmu::tools {

/// The step that the timeline stands behind.
text_block refusal_text(const timeline_step& step, const std::vector<refused_operation>& refused);
boost::json::object refusal_json(const timeline_step& step, const std::vector<refused_operation>& refused);

}  // namespace pvmmu::tools
