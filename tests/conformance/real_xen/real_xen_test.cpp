// The model against the real Xen: a fresh campaign, and every program that was ever worth keeping.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "tools/conform/campaign.h"
#include "tools/conform/file_check.h"
#include "tools/conform/program_text.h"

namespace pvmmu::conform {
namespace {

class real_xen : public testing::Test {
 protected:
  void SetUp() override {
    if (std::getenv("PVMMU_SKIP_LAB")) GTEST_SKIP() << "PVMMU_SKIP_LAB is set";
    machine = std::make_unique<lab::lab>(lab::lab_options{.probe = PVMMU_PROBE});
  }
  std::unique_ptr<lab::lab> machine;
};

std::vector<named_program> programs_of(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".textproto") paths.push_back(entry.path());
  paths.emplace_back(PVMMU_SOURCE_DIR "/examples/refusals.textproto");  // the one example without a kernel
  std::ranges::sort(paths);
  std::vector<named_program> programs;
  for (const auto& path : paths) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    auto p = parse_program(text.str(), path.filename().string());
    EXPECT_TRUE(p) << p.error();
    if (p) programs.push_back(std::move(*p));
  }
  return programs;
}

// Advisories, XTF's tests, and what once differed: the real Xen still says what the file expects, and the model the
// same.
TEST_F(real_xen, says_what_the_programs_expect_and_the_model_the_same) {
  const std::vector<named_program> programs = programs_of(PVMMU_SOURCE_DIR "/tests/conformance/programs");
  ASSERT_FALSE(programs.empty());
  const std::vector<checked_program> checked = check(*machine, programs, make_model);
  for (std::size_t i = 0; i < programs.size(); ++i) {
    for (const std::string& line : checked[i].unmet) ADD_FAILURE() << line;
    if (const auto& d = checked[i].differs)
      ADD_FAILURE() << programs[i].title << ": " << d->where << ": real " << d->real << ", model " << d->model;
  }
}

// 200,000 calls that nobody has seen before, with every outcome that can be reached among them a hundred times and
// more.
TEST_F(real_xen, and_the_model_answer_a_fresh_campaign_alike) {
  const u64 seed = std::random_device{}();
  fmt::print("seed {}\n", seed);
  const campaign_report r = run_campaign(*machine, {.hypercalls = 200'000, .seed = seed}, [](u64) {});
  for (std::size_t i = 0; i < r.found.size(); ++i) {
    const finding& f = r.found[i];
    ADD_FAILURE() << print_program(f.program, "differs at " + f.differs.where) << "real " << f.differs.real
                  << "\nmodel " << f.differs.model;
  }
  for (const difference& d : r.shared) ADD_FAILURE() << d.where << ": real " << d.real << ", model " << d.model;
  EXPECT_EQ(r.differ, 0u);
  EXPECT_GE(r.calls, 200'000u);
  for (const outcome_cell& c : r.outcomes.below(1)) ADD_FAILURE() << c.operation << " → " << c.outcome << ": never";
  for (const outcome_cell& c : r.outcomes.unforeseen())
    ADD_FAILURE() << c.operation << " → " << c.outcome << " was called out of reach: " << c.unreachable;
}

}  // namespace
}  // namespace pvmmu::conform
