#pragma once
// Frames that calls hand out. Which ones is the choice of Xen's heap, and no rule of the MMU: so the model is offered
// what the real one chose, and names follow the frames that a call's answer tells.
//
//   m.offer_frames(handed_out(call, real_answer));     // before the model makes the call
//   adopt(call, model_answer, where.frames);           // after it

#include <optional>
#include <vector>

#include "tools/lab/program.h"

namespace pvmmu::conform {

/// The first frames of the extents that the real Xen handed out in this call, in order. Where it may have been short of
/// memory, INVALID_MFN: there the model is short of it as well. That is believed only of what this machine may really
/// lack: many frames in a row, memory at low addresses, another node. Of a multicall that is known of the last entry
/// that may get frames, so that programs have but one that may.
std::vector<mfn_t> handed_out(const lab::call& c, const lab::answer& real);

/// Gives the call's names to the frames that its answer tells, as tests/conformance/probe/program.h says.
void adopt(const lab::call& c, const lab::answer& a, std::vector<std::optional<mfn_t>>& names);

}  // namespace pvmmu::conform
