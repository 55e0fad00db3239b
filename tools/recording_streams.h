#pragma once
// Where reading a recording may begin, but at its beginning: found without unpacking anything, so that a large file can
// be entered in its middle at once.
//
//   for (const stream_begin& place : find_streams("x.rec")) …
//   reader->go_to(place);                                      // the next record is the first behind it
//
// Files of format 1 have one place only: their beginning.

#include <string>
#include <vector>

#include "proto/abi/types.h"

namespace pvmmu::tools {

/// A chunk that begins a zlib stream.
struct stream_begin {
  u64 byte = 0;            ///< of the file, where its frame begins
  u64 pieces_before = 0;   ///< in all chunks before it
  bool has_image = false;  ///< its first records are an image of the machine as it is there
  bool has_names = false;  ///< a frame is named in it
};

/// In their order, the file's beginning first; those before the place where the file is torn or damaged. None if there
/// is no such file.
std::vector<stream_begin> find_streams(const std::string& path);

}  // namespace pvmmu::tools
