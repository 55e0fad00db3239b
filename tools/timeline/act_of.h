#pragma once
// What a recorded piece did in the model, as a journal tells of it.

#include "tools/report/journal.h"
#include "tools/timeline/played_piece.h"

namespace pvmmu::tools {

/// But for `events` and `table_levels`, which the machine alone knows.
act act_of(const played_piece& played);

}  // namespace pvmmu::tools
