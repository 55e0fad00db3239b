#pragma once
// Grant operations say in each entry's status what became of it, whatever the call returned: which were refused, and by
// which rule.
//
//   for (const refused_grant& r : refused_grants(t.step().act)) r.path, r.rule

#include <vector>

#include "tools/report/journal.h"
#include "tools/why/rules.h"

namespace pvmmu::tools {

struct refused_grant {
  std::vector<u32> path{};  ///< indexes of entries: of the multicall, then of the operation
  s16 status = 0;           ///< GNTST_*
  refusal_rule rule{};
};

/// In the order of the entries.
std::vector<refused_grant> refused_grants(const act& a);

}  // namespace pvmmu::tools
