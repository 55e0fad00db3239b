#pragma once

#include <string>

#include "proto/abi/pte.h"

namespace pvmmu::tools {

/// "P|RW|US|A|D|NX": an entry's bits but for its frame number; those without a name as one number.
std::string flags_text(u64 flags);

}  // namespace pvmmu::tools
