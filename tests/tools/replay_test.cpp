#include "tools/replay.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "tests/tools/corruption.h"
#include "tests/tools/recordings.h"
#include "tools/command.h"

namespace pvmmu::tools {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class real_recording : public testing::TestWithParam<std::string> {};

// The model answers a real kernel's calls as the real Xen did: each result, then each frame's counts and type, and each
// table. Continuations are its own, but for those where something else wanted the real machine's processor.
TEST_P(real_recording, replays_exactly) {
  const replay_report report = replay(recording_path(GetParam()), false);
  EXPECT_EQ(report.verdict(), "0 results differ, 0 frames differ, 0 table entries differ");
  EXPECT_GE(report.frames_compared, 49154u);  // dom0's alone
  EXPECT_GE(report.tables_compared, 615u);
  EXPECT_GT(report.continuations_predicted, 0u);
}

INSTANTIATE_TEST_SUITE_P(replay, real_recording, testing::ValuesIn(real_recordings), [](const auto& name) {
  std::string id = name.param;
  std::ranges::replace(id, '-', '_');
  return id;
});

/// What replaying comes to: nothing, or a difference or an error in words.
std::optional<std::string> reported(const std::string& path) {
  try {
    const replay_report report = replay(path, false);
    if (report.as_recorded()) return std::nullopt;
    for (const auto& kind : report.first_differences) {
      if (!kind.empty()) return kind.front();
    }
  } catch (const input_error& e) {
    return e.what();
  }
  return "a difference that is not shown";
}

// Whatever is spoilt in a recording, the replay says so, unless it cannot matter for a reason known beforehand.
TEST(replay_of_corrupted, notices_every_corruption_that_matters) {
  const char* given = std::getenv("PVMMU_TEST_SEED");
  const u64 seed = given ? std::stoull(given) : std::random_device{}();
  fmt::print("seed {}\n", seed);
  std::mt19937_64 random(seed);
  const scratch_directory scratch;
  const std::string path = scratch.path("corrupted.rec");
  std::map<std::string, int> passed;
  constexpr int rounds = 20;
  int noticed = 0;
  for (const std::string& name : real_recordings) {
    const auto good = read_records(recording_path(name));
    for (int round = 0; round < rounds; ++round) {
      auto records = good;
      const corruption c = corrupt(records, random);
      write_records(path, records);
      if (reported(path)) {
        ++noticed;
        continue;
      }
      EXPECT_TRUE(c.why_neutral) << name << ", " << c.what;
      if (c.why_neutral) ++passed[*c.why_neutral];
    }
  }
  fmt::print("{} of {} reported\n", noticed, rounds * real_recordings.size());
  for (const auto& [why, times] : passed) fmt::print("{} passed: {}\n", times, why);
  EXPECT_GT(noticed, 0);
}

}  // namespace
}  // namespace pvmmu::tools
