// Why adds up: behind any step of any recording of the tests every count of every frame is what its holders hold.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <set>

#include "tools/why/account_text.h"

namespace pvmmu::tools {
namespace {

/// All recordings that are committed.
std::vector<std::string> recordings() {
  std::vector<std::string> paths;
  for (const char* const folder : {"tests/data", "tests/fidelity/recordings"}) {
    for (const auto& file : std::filesystem::recursive_directory_iterator(PVMMU_SOURCE_DIR + std::string("/") + folder))
      if (file.path().extension() == ".rec") paths.push_back(file.path().string());
  }
  std::ranges::sort(paths);
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

class adds_up_test : public testing::TestWithParam<std::string> {};

// At the end, and at some steps on the way. Prints its seed; PVMMU_SEED=n replays one.
TEST_P(adds_up_test, every_frame) {
  const char* const given = std::getenv("PVMMU_SEED");
  const u64 seed = given ? std::strtoull(given, nullptr, 0) : std::random_device{}();
  fmt::print("PVMMU_SEED={}\n", seed);
  std::mt19937_64 random(seed);
  timeline t = timeline::open(GetParam(), false);
  const xens_share share(t);
  std::vector<u64> steps{t.last()};
  for (int i = 0; i < 3; ++i) steps.push_back(1 + random() % t.size());
  for (const u64 step : steps) {
    t.go_to(step);
    ASSERT_EQ(wrong_frames(t, share), "") << "behind step " << step;
  }
}

INSTANTIATE_TEST_SUITE_P(recordings, adds_up_test, testing::ValuesIn(recordings()), name_of);

}  // namespace
}  // namespace pvmmu::tools
