#pragma once
// What became of each grant that a call mapped or unmapped: the call itself succeeds.

#include <vector>

#include "tools/lab/program.h"

namespace pvmmu::conform {

/// In order, as Xen left them in the list; of other calls none.
std::vector<s16> grant_statuses(const lab::call& c, const lab::answer& a);

}  // namespace pvmmu::conform
