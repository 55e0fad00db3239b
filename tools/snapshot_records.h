#pragma once
// The state of a machine, with its domain's tables, and the records of a recording that hold it.
//
//   machine_state state{.frames = runs, .tables = tables, .vcpus = roots};
//   add_snapshot(writer, state);

#include <map>
#include <vector>

#include "tools/recording_codec.h"
#include "tools/recording_file.h"

namespace pvmmu::tools {

struct machine_state {
  std::vector<frame_run> frames;  ///< from frame 0 on
  std::map<mfn_t, table_words> tables;
  std::vector<recording::loaded_tables> vcpus;

  /// Frames that the domain owns.
  u64 domain_frames() const;
};

/// What is recorded of a frame: of those that no guest may reference only that they are none.
xen::frame_record recorded_frame(xen::frame_owner owner, u64 count_info, u64 type_info, u32 aux);
/// Adds the next frame.
void add_frame(std::vector<frame_run>& runs, const xen::frame_record& frame);

void add_snapshot(recording_writer& writer, const machine_state& state);

}  // namespace pvmmu::tools
