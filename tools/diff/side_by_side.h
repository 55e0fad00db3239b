#pragma once
// Two texts in two columns, with a mark between them, as diff has them:
//
//   mfn 0x23a L1  type count 2→1    |  mfn 0x239 L1  type count 1→0
//                                   >  devalidated mfn 0x239 as L1: 512 entries
//
// no mark: alike, but for the numbers of frames; |: they differ; < and >: one of them alone has it.

#include <optional>

#include "tools/report/fold.h"

namespace pvmmu::tools {

class side_by_side {
 public:
  /// `columns` for both texts and what is between them.
  explicit side_by_side(std::size_t columns);
  /// A line that one has, or both; what does not fit goes on below.
  text_block row(const std::optional<text_line>& left, const std::optional<text_line>& right, bool alike) const;

 private:
  std::size_t width_;  ///< of each text
};

}  // namespace pvmmu::tools
