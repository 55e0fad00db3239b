#pragma once
// Calls about a grant table's version. Programs have no words of their own for them and write them down as raw calls;
// the model must know what they mean:
//
//   set_version         args 8, blob 0, …    blob 0 (out): the version
//   get_status_frames   args 9, blob 0, …    blob 0: nr_frames | dom << 32, where blob 1 lies    blob 1 (out): the
//   frames

#include <optional>
#include <vector>

#include "tools/conform/abi_call.h"

namespace pvmmu::conform {

/// Nothing: another call, or one that is not written so. `frame_list` keeps the frames; it lives as long as the call.
std::optional<grant_table_op_call> raw_grant_call(const lab::raw_call& c, const names& number,
                                                  std::vector<u64>& frame_list);

/// The status frames that a change to version 2 took: those that the program's next get_status_frames told. None if
/// call `i` is something else.
std::vector<mfn_t> status_frames_taken(const lab::program& p, std::size_t i, const std::vector<lab::answer>& real);

}  // namespace pvmmu::conform
