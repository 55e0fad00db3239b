#pragma once
// Many things that look alike, shown once. Two pieces of text look alike if they differ in frames, slots and addresses
// only, and in numbers that lines begin with; a run of like pieces, or a repeated group of a few, becomes the first of
// them and a count.
//
//   mmu_update …  mfn 0x1a0[0]          mmu_update …  mfn 0x1a0[0]
//   mmu_update …  mfn 0x1a0[1]    →     … and 2 more like it
//   mmu_update …  mfn 0x1a0[2]

#include <memory>
#include <string>
#include <vector>

#include "proto/abi/types.h"

namespace pvmmu::tools {

/// What a line is about: its colour.
enum class line_role : u8 { plain, heading, dim, call, failed, change, work, flush, message, good, bad };

struct text_line {
  line_role role = line_role::plain;
  unsigned indent = 0;  ///< columns
  std::string text;
};

/// A piece of a report that stays together: a call with all its lines, an entry with its changes.
using text_block = std::vector<text_line>;

/// All blocks as lines, with repetitions folded. `what` is what a block is called: "call", "entry".
text_block fold(std::vector<text_block> blocks, const std::string& what);

/// The same for blocks that look alike where these do.
text_block fold(std::vector<text_block> blocks, std::vector<std::string> shapes, const std::string& what);

/// "1 entry", "2 entries", "3 calls".
std::string count_text(u64 n, const std::string& what);

}  // namespace pvmmu::tools
