// Why adds up: behind any step of any recording of the tests every count of every frame is what its holders hold.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <random>
#include <set>

#include "tests/tools/why/recorded_scenario.h"
#include "tools/why/account_text.h"

namespace pvmmu::tools {
namespace {

/// All files below `folder` with that ending.
std::vector<std::string> files_below(const std::string& folder, const std::string& ending) {
  std::vector<std::string> paths;
  for (const auto& file : std::filesystem::recursive_directory_iterator(PVMMU_SOURCE_DIR "/" + folder))
    if (file.path().extension() == ending) paths.push_back(file.path().string());
  std::ranges::sort(paths);
  return paths;
}

/// All recordings that are committed.
std::vector<std::string> recordings() {
  std::vector<std::string> paths = files_below("tests/data", ".rec");
  std::ranges::copy(files_below("tests/fidelity/recordings", ".rec"), std::back_inserter(paths));
  return paths;
}

std::string name_of(const testing::TestParamInfo<std::string>& info) {
  const std::filesystem::path path(info.param);
  std::string name = path.parent_path().filename().string() + "_" + path.stem().string();
  std::ranges::replace_if(name, [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
  return name;
}

/// The frames that do not add up, as text. One walk for all of them.
std::string wrong_frames(timeline& t, const xens_share& share) {
  std::vector<xen::audit_finding> findings;
  const xen::recount seen(t.machine(), findings);
  std::string wrong;
  for (const auto& [mfn, others] : seen.sums()) {
    const balance b = balance_of(t.machine().page(mfn), seen.sum_of(mfn), share.of(mfn));
    if (!b.adds_up())
      wrong += fmt::format("mfn {:#x}: {} general, {} typed off, {} of other types\n", mfn.n, b.general_off(),
                           b.typed_off(), b.foreign_types());
  }
  return wrong;
}

/// At the end, and at some steps on the way. Prints its seed; PVMMU_SEED=n replays one.
void expect_adds_up(timeline& t) {
  const char* const given = std::getenv("PVMMU_SEED");
  const u64 seed = given ? std::strtoull(given, nullptr, 0) : std::random_device{}();
  fmt::print("PVMMU_SEED={}\n", seed);
  std::mt19937_64 random(seed);
  const xens_share share(t);
  std::vector<u64> steps{t.last()};
  for (int i = 0; i < 3; ++i) steps.push_back(1 + random() % t.size());
  for (const u64 step : steps) {
    t.go_to(step);
    ASSERT_EQ(wrong_frames(t, share), "") << "behind step " << step;
  }
}

class adds_up_test : public testing::TestWithParam<std::string> {};

// What the real thing did.
TEST_P(adds_up_test, every_frame) {
  timeline t = timeline::open(GetParam(), false);
  expect_adds_up(t);
}

INSTANTIATE_TEST_SUITE_P(recordings, adds_up_test, testing::ValuesIn(recordings()), name_of);

class scenario_adds_up_test : public testing::TestWithParam<std::string> {};

// What the model does in each of the examples, where nothing was before the recording.
TEST_P(scenario_adds_up_test, every_frame) {
  const auto name = std::filesystem::relative(GetParam(), PVMMU_SOURCE_DIR "/examples").replace_extension();
  const recorded_scenario run(name.string());
  timeline t = timeline::open(run.path(), false);
  EXPECT_TRUE(xens_share(t).empty());
  expect_adds_up(t);
}

INSTANTIATE_TEST_SUITE_P(examples, scenario_adds_up_test, testing::ValuesIn(files_below("examples", ".textproto")),
                         name_of);

}  // namespace
}  // namespace pvmmu::tools
