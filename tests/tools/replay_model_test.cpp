// What the model did is repeated like what the real thing did: recordings of scenarios, and one that was spoilt.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "tests/scratch_directory.h"
#include "tests/tools/recordings.h"
#include "tools/replay.h"

namespace pvmmu::tools {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// Runs a scenario of the examples, which is recorded. What it expects is another test's business.
void record(const std::string& scenario, const std::string& path) {
  const std::string command = fmt::format("{} run --quiet --record {} {}/examples/{}.textproto > {}.txt 2>&1",
                                          PVMMU_BINARY, path, PVMMU_SOURCE_DIR, scenario, path);
  EXPECT_NE(std::system(command.c_str()), -1);
}

class recorded_scenario : public testing::TestWithParam<std::string> {};

// Every answer that a scenario's guests got, and every load and store, comes out again.
TEST_P(recorded_scenario, replays_exactly) {
  const scratch_directory scratch;
  record(GetParam(), scratch.path("x.rec"));
  const replay_report report = replay(scratch.path("x.rec"), false);
  EXPECT_EQ(report.verdict(), "0 results differ, 0 frames differ, 0 table entries differ");
  EXPECT_GT(report.calls, 10u);
}

/// Batches, preemption, more than one domain, refusals, several vCPUs.
INSTANTIATE_TEST_SUITE_P(replay, recorded_scenario,
                         testing::Values("activate-mm", "double-pin", "exec", "fork-cow", "pmd-move", "refusals",
                                         "suspend-resume", "unpinned-l1", "userfaultfd"),
                         [](const auto& name) {
                           std::string id = name.param;
                           std::ranges::replace(id, '-', '_');
                           return id;
                         });

// An answer that the model does not give is a difference, told with its step.
TEST(replay_of_the_model, says_what_differs) {
  const scratch_directory scratch;
  record("pmd-move", scratch.path("x.rec"));
  auto records = read_records(scratch.path("x.rec"));
  u64 number = 0;
  const auto refuse_one = [&](recording::record& r) {
    if (r.has_piece()) ++number;
    if (!r.piece().call().has_mmu_update()) return false;
    r.mutable_piece()->mutable_outcome()->set_result(-22);
    return true;
  };
  ASSERT_NE(std::ranges::find_if(records, refuse_one), records.end());
  write_records(scratch.path("spoilt.rec"), records);
  EXPECT_THAT(replay(scratch.path("spoilt.rec"), false).first_differences[replay_report::results],
              ElementsAre(HasSubstr(fmt::format("piece {}: mmu_update returned 0, expected -22", number))));
}

}  // namespace
}  // namespace pvmmu::tools
