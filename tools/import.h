#pragma once
// `pvmmu import PREFIX -o FILE`: makes a recording of a capture of the real thing. A capture is three files, each plain
// or compressed by xz: PREFIX.ft0 and PREFIX.ft1, Xen's frame table before and after, and PREFIX.jsonl, the calls and
// the tables' contents (tools/capture_frames.h, tools/capture_calls.h).
//
// What a capture does not say is found out: the domain owns the tables; dom_io owns frame 0; the L4s that run are those
// with one more type reference than a pin explains, and of these the kernel's maps more of the upper half.

#include <string>

#include "proto/abi/types.h"

namespace pvmmu::tools {

struct import_result {
  u64 machine_frames = 0;
  u64 domain_frames = 0;
  u64 tables = 0;  ///< page tables before the first call
  u64 pieces = 0;  ///< entries into the hypervisor
  u64 file_bytes = 0;
};

/// Throws `input_error` where the capture cannot be understood, with file and line, std::runtime_error where the
/// recording cannot be written.
import_result import_capture(const std::string& prefix, const std::string& recording_path);

}  // namespace pvmmu::tools
