#pragma once
// A real Xen's frame table as a capture holds it: one `struct page_info` of 32 bytes a frame, from frame 0 on
// (xen 4.17 asm/mm.h:105-230). A frame whose record is all ones is none.

#include <string>
#include <vector>

#include "tools/recording_codec.h"

namespace pvmmu::tools {

/// A frame's record with its owner as Xen has it: the number of a `struct domain` in memory.
struct captured_frame {
  u64 count_info = 0;
  u64 type_info = 0;
  u32 owner = 0;
  u32 aux = 0;
  bool valid() const { return (count_info & type_info) != ~u64{0}; }
  /// Where a frame is free, or Xen's own, other things lie where its owner would; but then nobody references it.
  bool owned() const { return valid() && owner != 0 && (count_info & xen::PGC_count_mask) != 0; }
};

/// Reads `path`, or `path`.xz. Throws `input_error` where that is no frame table.
std::vector<captured_frame> read_frame_table(const std::string& path);

/// Which of Xen's owners is whom.
struct captured_owners {
  u32 domain = 0;
  u32 dom_io = 0;
  u32 dom_xen = 0;
};

/// The frames as a recording has them, runs of frames that are all alike.
std::vector<frame_run> to_runs(const std::vector<captured_frame>& frames, const captured_owners& owners);

}  // namespace pvmmu::tools
