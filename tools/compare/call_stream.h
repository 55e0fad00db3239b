#pragma once
// A recording as a comparison wants it: the tables of the machine before the first call, then the calls in order, each
// one whole. A call that Xen left and went on with later is one call, as the guest made it.

#include <string>
#include <vector>

#include "tools/recording_codec.h"

namespace pvmmu::compare {

struct first_table {
  mfn_t mfn;
  unsigned level = 0;
  tools::table_words words{};
};

/// One call, or one store that Xen emulated.
struct whole_call {
  u64 number = 0;          ///< of its first piece in the recording, from 1
  recording::piece piece;  ///< with all contents of its pieces, and the last one's outcome
};

struct call_stream {
  recording::header header;
  std::vector<recording::loaded_tables> roots;  ///< of each vCPU before the first call
  std::vector<first_table> tables;
  std::vector<whole_call> calls;
  u64 entries_validated = 0;  ///< by Xen, in tables that the calls made; of the model's stream
};

/// Throws `tools::input_error` for a file that is damaged or torn, or no recording.
call_stream read_calls(const std::string& recording_path);

/// Puts the pieces of calls together.
std::vector<whole_call> join_pieces(std::vector<recording::piece> pieces);

}  // namespace pvmmu::compare
