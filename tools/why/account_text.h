#pragma once
// A frame's account as a table that a person can follow:
//
//   mfn 0x23a behind step 14: L1 of d0, pinned, validated, type count 2, count 3
//     general  as L1  held by                                                     since
//           1      –  its owner, d0                                               step 3, create_domain
//           1      1  the pin                                                     step 14, xen_pin_page: mmuext_op
//           1      1  L2 mfn 0x233[0], at 0x200000000000 in L4 mfn 0x231          step 12, xen_set_pmd: mmu_update
//           3      2  in all, as the frame's record says

#include <boost/json/object.hpp>

#include "tools/report/fold.h"
#include "tools/why/frame_account.h"

namespace pvmmu::tools {

text_block account_text(const frame_account& account);
boost::json::object account_json(const frame_account& account);

/// "the pin", "L2 mfn 0x233[0]"
std::string holder_text(const xen::holder& h, const std::string& owner);
/// "L1", "writable", "descriptor page"
std::string type_text(u64 type_info);
/// "L1 of d0, pinned, validated, type count 2, count 3"
std::string record_text(const xen::page_info& record, const std::string& owner);

}  // namespace pvmmu::tools
