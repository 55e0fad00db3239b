// Overlapping calls: the replay finds an order that comes out as recorded, and takes no order that cannot have been.

#include "tools/timeline/replay_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "proto/abi/hypercall.h"
#include "tests/scratch_directory.h"
#include "tests/tools/recordings.h"
#include "tools/left_calls.h"
#include "tools/replay.h"

namespace pvmmu::tools {
namespace {

using testing::ElementsAre;

recording::piece piece_of(u32 vcpu, u64 entered, u64 left) {
  recording::piece piece;
  piece.set_vcpu(vcpu);
  piece.set_entered(entered);
  piece.set_left(left);
  return piece;
}

std::vector<u32> order_of(const replay_order& order) { return {order.pieces().begin(), order.pieces().end()}; }

// The pieces stand as they were entered; how many overlap with an earlier one is counted.
TEST(replay_order, begins_with_the_order_of_entries) {
  const std::vector<recording::piece> pieces{piece_of(0, 1, 4), piece_of(1, 2, 3), piece_of(0, 5, 6)};
  const replay_order order{pieces};
  EXPECT_THAT(order_of(order), ElementsAre(0, 1, 2));
  EXPECT_EQ(order.overlapping(), 1u);
}

// A piece passes those that it overlaps with, in both directions, and no others; what is not kept is undone.
TEST(replay_order, proposes_what_the_moments_allow) {
  const std::vector<recording::piece> pieces{piece_of(0, 1, 2), piece_of(0, 3, 8), piece_of(1, 4, 5), piece_of(1, 6, 7),
                                             piece_of(0, 9, 10)};
  replay_order order{pieces};
  std::vector<std::vector<u32>> proposed;
  while (order.propose(1)) {
    proposed.push_back(order_of(order));
    order.keep(false);
  }
  EXPECT_THAT(proposed, ElementsAre(ElementsAre(0, 2, 1, 3, 4), ElementsAre(0, 2, 3, 1, 4)));
  EXPECT_THAT(order_of(order), ElementsAre(0, 1, 2, 3, 4));
  EXPECT_FALSE(order.propose(0));
}

// Calls of one vCPU keep their order, whatever their moments say; so do those whose moments are not known.
TEST(replay_order, proposes_nothing_else) {
  const std::vector<recording::piece> same_vcpu{piece_of(1, 1, 3), piece_of(1, 2, 4)};
  EXPECT_FALSE(replay_order{same_vcpu}.propose(0));
  const std::vector<recording::piece> unknown{piece_of(0, 0, 0), piece_of(1, 0, 0)};
  EXPECT_FALSE(replay_order{unknown}.propose(0));
}

/// A real recording, with a second vCPU, in which piece `first` and the one behind it stand in the wrong order.
class swapped_recording {
 public:
  explicit swapped_recording(std::size_t first) : records_(read_records(recording_path("l61-fork"))) {
    const auto snapshot = std::ranges::find_if(records_, &recording::record::has_snapshot);
    snapshot->mutable_snapshot()->add_vcpus();
    const auto piece = std::ranges::find_if(records_, &recording::record::has_piece);
    a_ = static_cast<std::size_t>(piece - records_.begin()) + first;
    std::swap(records_[a_], records_[a_ + 1]);
  }
  /// Says that they overlapped, if one of them may be another vCPU's: it needs no tables to run on, and is neither left
  /// nor the rest of one that was.
  bool overlap() {
    const auto is_mmu_update = [&](std::size_t i) {
      const auto& call = records_[i].piece().call();
      return call.has_mmu_update() && (call.mmu_update().count() & MMU_UPDATE_PREEMPTED) == 0;
    };
    if (!is_mmu_update(a_) && !is_mmu_update(a_ + 1)) return false;
    if (was_left(records_[a_].piece()) || was_left(records_[a_ + 1].piece())) return false;
    u64 moment = 0;
    for (recording::record& record : records_) {
      if (!record.has_piece()) continue;
      record.mutable_piece()->set_entered(++moment);
      record.mutable_piece()->set_left(++moment);
    }
    const u64 left = records_[a_].piece().left();
    records_[a_].mutable_piece()->set_left(records_[a_ + 1].piece().entered());
    records_[a_ + 1].mutable_piece()->set_entered(left);
    records_[is_mmu_update(a_) ? a_ : a_ + 1].mutable_piece()->set_vcpu(1);
    return true;
  }
  replay_report replayed() const {
    const scratch_directory scratch;
    write_records(scratch.path("swapped.rec"), records_);
    return replay(scratch.path("swapped.rec"), false);
  }

 private:
  std::vector<recording::record> records_;
  std::size_t a_;
};

// Two calls of a real kernel that depend on each other, recorded in the wrong order: that is a difference, unless they
// overlapped. Then the replay finds their order.
TEST(replay_order, is_found_by_the_replay) {
  int dependent = 0;
  for (std::size_t first = 224; first < 246; ++first) {  // faults: tables are made read-only, pinned, set
    swapped_recording swapped{first};
    if (swapped.replayed().as_recorded()) continue;
    if (!swapped.overlap()) continue;
    ++dependent;
    const replay_report report = swapped.replayed();
    EXPECT_EQ(report.verdict(), "0 results differ, 0 frames differ, 0 table entries differ")
        << "piece " << first << ": " << testing::PrintToString(report.first_differences);
    EXPECT_EQ(report.overlapping, 1u);
  }
  EXPECT_GE(dependent, 2);
}

}  // namespace
}  // namespace pvmmu::tools
