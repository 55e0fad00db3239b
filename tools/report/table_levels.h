#pragma once
// Of which level the tables are that a call updates: their entries are shown by it.

#include <functional>
#include <map>

#include "proto/abi/hypercall.h"

namespace pvmmu::tools {

/// Adds the tables whose entries `call`, or one of a multicall's entries, updates to `levels`: mfn → 1 to 4. What
/// stands there stays. `type_info_of` tells a frame's type_info, as far as it may be a table's. A table may become one,
/// or cease to be one, in the very call that writes its entries: ask before it and behind it.
void add_table_levels(const hypercall& call, const std::function<u64(mfn_t)>& type_info_of,
                      std::map<u64, unsigned>& levels);

}  // namespace pvmmu::tools
