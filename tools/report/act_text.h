#pragma once
// A hypercall, trap or fault in words, with only the fields that it changed:
//
//   xen_set_pmd: mmu_update = 0, done 1
//     L2 mfn 0x3f21[0]  mfn 0x3f30 P|RW|US|A|D → 0
//       mfn 0x3f30 L1  type count 2→1  count 3→2
//     flush of vCPU 0 by Xen: entries of L2-L4 tables changed

#include <map>
#include <string>

#include "tools/report/fold.h"
#include "tools/report/journal.h"

namespace pvmmu::tools {

/// The scenario's names for frames, by mfn.
using frame_names = std::map<u64, std::string>;

/// Whether entries and changes that look alike are shown once.
enum class repetitions : u8 { folded, told_each };

text_block act_text(const act& a, const frame_names& names, bool name_domain, repetitions how = repetitions::folded);

/// "mfn 0x3f30 P|RW|US|A|D", "0", or the bare number of an entry that is not present.
std::string pte_text(pte_t entry, const frame_names& names);

/// "mfn 0x3f30", with its name where it has one.
std::string frame_text(mfn_t mfn, const frame_names& names);

/// "-EINVAL", or the number.
std::string result_text(long result);

}  // namespace pvmmu::tools
