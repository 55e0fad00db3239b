#pragma once
// A call as the probe makes it: a number, five words, and the memory that they point to.

#include <vector>

#include "tools/lab/program.h"

namespace pvmmu::lab {

/// What a reported blob means for the answer.
struct out_part {
  enum class meaning { done, entry_done, entry_results, entry_list, blob, extents, exchange, machphys };
  meaning means;
  u32 entry = 0;  ///< of a multicall
  u32 nr_words = 0;
};

struct lowered_blob {
  std::vector<word> words;
  u32 bytes = 0;
  bool out = false;
};

struct lowered_call {
  probe::call_header header;
  std::vector<lowered_blob> blobs;
  std::vector<out_part> out;  ///< in the order in which the probe reports
};

/// Throws std::invalid_argument.
lowered_call lower(const call& c);

}  // namespace pvmmu::lab
