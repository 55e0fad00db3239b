#pragma once
// Calls in a few words each, for comparing kernels: "clear L2; va RO; set L2; flush".

#include <string>

#include "tools/report/journal.h"

namespace pvmmu::tools {

/// What the calls and traps of `steps` do, in order, with repetitions as "17× set L1"; errors as "pin L1 = -EINVAL".
std::string call_sequence(const std::vector<const step_log*>& steps);

/// One call without its own result: "2× set L1, clear L1", "{va RO, pin L1 = -EINVAL}".
std::string call_words(const act& a);

}  // namespace pvmmu::tools
