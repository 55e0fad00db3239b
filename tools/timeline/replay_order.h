#pragma once
// The order in which a recording's pieces are replayed. Calls of several vCPUs overlap: Xen took them in some order
// that nobody saw, and pieces of which one was left before the other was entered keep theirs. The first order tried is
// that of the entries; where a piece does not come out as recorded in it, it may have been another piece's turn.
//
//   replay_order order{pieces};
//   auto found = replay_in(order.pieces());
//   while (found.differs && order.propose(found.first_difference))     // another place for that piece
//     order.keep(is_better(replay_in(order.pieces())));

#include "recording.pb.h"

#include <span>
#include <vector>

#include "tools/overlap_counter.h"

namespace pvmmu::tools {

class replay_order {
 public:
  explicit replay_order(std::span<const recording::piece> pieces);

  /// Numbers of the pieces, from 0 on.
  std::span<const u32> pieces() const { return order_; }
  /// Pieces that were entered before an earlier one was left.
  u64 overlapping() const { return overlaps_.overlapping(); }

  /// Changes the order near the piece in place `at`. False: there is no other that the moments allow.
  bool propose(std::size_t at);
  /// Whether the order proposed last is to stay. Otherwise it is as before.
  void keep(bool better);

 private:
  struct interval {
    u64 entered;
    u64 left;
    u32 vcpu;
  };
  struct move {
    std::size_t from;
    std::size_t to;
  };
  bool overlap(u32 a, u32 b) const;
  void find_moves(std::size_t at);
  void apply(move m);

  std::vector<interval> intervals_;
  std::vector<u32> order_;
  overlap_counter overlaps_;
  std::vector<move> moves_;  ///< to try, for the piece in place at_
  std::size_t at_ = ~std::size_t{0};
  move last_{};
};

/// The piece that goes on with the one in place `place` of `order`, where that one was left; nullptr: it came to its
/// end. Throws std::invalid_argument where there must be one and is none, and for a piece whose lists do not fit its
/// counts.
const recording::piece* rest_of(std::span<const recording::piece> pieces, std::span<const u32> order,
                                std::size_t place);

}  // namespace pvmmu::tools
