#pragma once
// The kernel functions that led to a recorded call, as they are shown.

#include "recording.pb.h"

#include <string>

namespace pvmmu::tools {

/// The innermost of them: "xen_mc_flush < xen_leave_lazy_mmu < zap_pte_range".
std::string callers_of(const recording::piece& piece);

}  // namespace pvmmu::tools
