#pragma once
// A trace point of the model's kernel in the words of tracefs (linux 6.1 include/trace/events/xen.h):
//
//   trace_text(guest::trace::xen_mmu_set_pte{0xffff8880076af000, 0x80000000329d6867}, mfn_to_pfn)
//     == "xen_mmu_set_pte: ptep ffff8880076af000 pteval 80000000029d6867 (raw 80000000329d6867)"
//
// Entries are shown twice, as Linux does: by its own frame numbers, and raw. An mm, whose address the model does not
// have, is the number of its pgd's frame.

#include <functional>
#include <optional>
#include <string>

#include "guest-pv/trace.h"

namespace pvmmu::tools {

/// The kernel's own number of a machine frame; nothing for frames of others.
using frame_numbers = std::function<std::optional<pfn_t>(mfn_t)>;

std::string trace_text(const guest::trace::event& e, const frame_numbers& mfn_to_pfn);

}  // namespace pvmmu::tools
