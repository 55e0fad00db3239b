#include "tools/timeline/timeline.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <random>

#include "hypervisor-model/domain.h"
#include "tests/tools/recordings.h"
#include "tools/command.h"

namespace pvmmu::tools {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class checksum {
 public:
  void add(u64 value) { sum_ = (sum_ ^ value) * 0x100000001b3 + (sum_ >> 47); }
  u64 sum() const { return sum_; }

 private:
  u64 sum_ = 0xcbf29ce484222325;
};

/// Of all frames' records, all tables, and what the vCPUs run on.
u64 checksum_of(xen::machine& m) {
  checksum c;
  for (mfn_t mfn{}; mfn.n < m.config().frames; ++mfn) {
    const xen::page_info& pg = m.page(mfn);
    for (const u64 value : {pg.count_info, pg.type_info, u64{pg.owner}, u64{pg.aux}}) c.add(value);
    if (xen::table_level(pg.type_info) == 0) continue;
    for (unsigned slot = 0; slot < entries_per_table; ++slot) c.add(m.words(mfn)[slot]);
  }
  for (const auto& d : m.domains())
    for (const auto& v : d->vcpus)
      for (const mfn_t root : {v->guest_table, v->guest_table_user}) c.add(root.n);
  return c.sum();
}

/// Of all that a step tells.
u64 checksum_of(const timeline_step& step) {
  checksum c;
  c.add(step.number);
  for (const owned_event& e : step.act.events)
    for (const u64 value : {u64(e.kind), u64{e.slot}, e.mfn.n, e.old, e.value, u64{e.text.size()}}) c.add(value);
  c.add(static_cast<u64>(step.act.result));
  for (const auto& [mfn, level] : step.act.table_levels) c.add(mfn * 8 + level);
  return c.sum();
}

u64 test_seed() {
  const char* given = std::getenv("PVMMU_TEST_SEED");
  const u64 seed = given ? std::stoull(given) : std::random_device{}();
  fmt::print("seed {}\n", seed);
  std::fflush(stdout);
  return seed;
}

std::vector<std::string> all_recordings() {
  std::vector<std::string> paths;
  for (const char* folder : {"tests/data", "tests/fidelity/recordings"})
    for (const auto& file : std::filesystem::recursive_directory_iterator(PVMMU_SOURCE_DIR + std::string("/") + folder))
      if (file.path().extension() == ".rec") paths.push_back(file.path());
  std::ranges::sort(paths);
  return paths;
}

class any_recording : public testing::TestWithParam<std::string> {};

// Each step comes once, as recorded; and whichever step is gone to from wherever, what it did and the state behind it
// are those of the one pass through all of them.
TEST_P(any_recording, any_step_from_any_other) {
  std::mt19937_64 random(test_seed());
  auto t = timeline::open(GetParam(), false);
  std::vector<u64> visits(6);
  std::ranges::generate(visits, [&] { return random() % (t.size() + 1); });
  std::map<u64, u64> states;
  std::vector<u64> acts(t.size() + 1);
  u64 passed = 0;
  for (u64 step = 0;; step = t.next(step), ++passed) {
    t.go_to(step);
    ASSERT_EQ(t.step().number, step);
    EXPECT_THAT(t.step().differences, IsEmpty());
    ASSERT_EQ(acts[step], 0u) << step;
    acts[step] = checksum_of(t.step());
    if (std::ranges::count(visits, step) != 0) states[step] = checksum_of(t.machine());
    if (t.next(step) == 0) break;
    ASSERT_EQ(t.previous(t.next(step)), step);
    if (step == t.last()) break;
  }
  EXPECT_EQ(passed, t.size());
  EXPECT_EQ(t.step().number, t.last());
  for (const u64 step : visits) {
    t.go_to(step);
    EXPECT_EQ(checksum_of(t.step()), acts[step]) << step;
    EXPECT_EQ(checksum_of(t.machine()), states[step]) << step;
  }
}

INSTANTIATE_TEST_SUITE_P(timeline, any_recording, testing::ValuesIn(all_recordings()), [](const auto& path) {
  const std::filesystem::path file = path.param;
  std::string id = file.parent_path().filename().string() + "_" + file.stem().string();
  std::ranges::replace_if(id, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  return id;
});

/// A recording of mremap under 6.1: a table is moved.
std::string pmd_move() { return recording_path("l61-pmd_move"); }

// A step tells what was asked, by which functions, what came back, and what changed: here the first mmu_update.
TEST(timeline_step, tells_of_a_call) {
  auto t = timeline::open(std::string(PVMMU_SOURCE_DIR) + "/tests/fidelity/recordings/6.1/move_8m.rec", false);
  for (u64 step = t.next(0); step != 0; step = t.next(step)) {
    t.go_to(step);
    if (t.step().piece.call().has_mmu_update()) break;
  }
  const act& a = t.step().act;
  ASSERT_TRUE(a.is_call());
  EXPECT_EQ(act_name(a), "mmu_update");
  EXPECT_THAT(a.caller, HasSubstr("xen_"));
  EXPECT_EQ(a.result, t.step().piece.outcome().result());
  const auto& updates = std::get<mmu_update_call>(a.call->call()).ureqs.entries;
  EXPECT_THAT(a.table_levels, testing::Contains(testing::Key(maddr_to_mfn({updates.front().ptr}).n)));
  const auto writes = std::ranges::count(a.events, event_kind::pte, &owned_event::kind);
  EXPECT_GE(writes, 1);
}

// A store to a read-only L1 is a trap: its events are there, and the entry that they tell of is in the machine.
TEST(timeline_step, tells_of_an_emulated_store) {
  auto t = timeline::open(pmd_move(), false);
  u64 step = t.next(0);
  for (; step != 0; step = t.next(step)) {
    t.go_to(step);
    if (t.step().piece.has_write()) break;
  }
  ASSERT_NE(step, 0u);
  const act& a = t.step().act;
  EXPECT_TRUE(a.is_trap());
  const auto emulated = std::ranges::find(a.events, event_kind::emulated, &owned_event::kind);
  ASSERT_NE(emulated, a.events.end());
  EXPECT_EQ(t.machine().words(emulated->mfn)[emulated->slot], emulated->value);
  t.go_to(t.previous(step));
  EXPECT_EQ(t.machine().words(emulated->mfn)[emulated->slot], emulated->old);
}

// What the model does otherwise than recorded is told with the step where it does.
TEST(timeline_step, tells_what_differs) {
  const scratch_directory scratch;
  auto records = read_records(pmd_move());
  const auto spoilt = std::ranges::find_if(records, [](const auto& r) { return r.piece().call().has_mmu_update(); });
  spoilt->mutable_piece()->mutable_outcome()->set_result(-22);
  write_records(scratch.path("spoilt.rec"), records);
  auto t = timeline::open(scratch.path("spoilt.rec"), false);
  const u64 number =
      1 + static_cast<u64>(std::count_if(records.begin(), spoilt, [](const auto& r) { return r.has_piece(); }));
  t.go_to(number);
  EXPECT_THAT(t.step().differences, ElementsAre(HasSubstr("mmu_update returned 0, expected -22 (-EINVAL)")));
  t.go_to(number - 1);
  EXPECT_THAT(t.step().differences, IsEmpty());
}

// A file that is none, and a step that cannot be made, are errors that say what is wrong; the timeline stays usable.
TEST(timeline_errors, teach) {
  EXPECT_THROW(
      try { timeline::open("/nowhere.rec", false); } catch (const input_error& e) {
        EXPECT_THAT(e.what(), HasSubstr("/nowhere.rec: cannot be read"));
        throw;
      },
      input_error);

  const scratch_directory scratch;
  auto records = read_records(pmd_move());
  const auto third = std::ranges::find_if(records, &recording::record::has_piece) + 2;
  third->mutable_piece()->clear_asked();
  write_records(scratch.path("spoilt.rec"), records);
  auto t = timeline::open(scratch.path("spoilt.rec"), false);
  try {
    t.go_to(5);
    ADD_FAILURE();
  } catch (const input_error& e) {
    EXPECT_THAT(e.what(), HasSubstr("spoilt.rec: piece 3 asks for nothing"));
  }
  EXPECT_EQ(t.step().number, 0u);
  t.go_to(2);
  EXPECT_EQ(t.step().number, 2u);
}

}  // namespace
}  // namespace pvmmu::tools
