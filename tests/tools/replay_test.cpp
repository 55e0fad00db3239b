#include "tools/replay.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <boost/json/parse.hpp>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>

#include "hypervisor-model/machine/page_info.h"
#include "tests/scratch_directory.h"
#include "tests/tools/corruption.h"
#include "tests/tools/recordings.h"
#include "tests/tools/small_capture.h"
#include "tools/command.h"
#include "tools/import.h"

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

// Two vCPUs whose calls overlap, LDTs that are loaded and descriptors of threads that are written at each switch: as
// the real Xen had it, in an order that the recorded moments allow.
TEST(replay_vcpus, two_of_them_with_descriptors) {
  const std::vector<recording::record> records = read_records(recording_path("l61-descriptors"));
  const auto descriptors = std::ranges::count_if(
      records, [](const recording::record& r) { return r.piece().call().has_update_descriptor(); });
  EXPECT_EQ(descriptors, 50);
  const replay_report report = replay(recording_path("l61-descriptors"), false);
  EXPECT_EQ(report.verdict(), "0 results differ, 0 frames differ, 0 table entries differ");
  EXPECT_GT(report.overlapping, 10u);
}

// A kernel whose balloon takes frames and gives them back: the frames that the real Xen chose are taken from the
// recording, and what it wrote for each is compared.
TEST(replay_balloon, frames_come_and_go) {
  EXPECT_TRUE(replay(recording_path("l61-balloon"), false).as_recorded());

  std::vector<recording::record> records = read_records(recording_path("l61-balloon"));
  const auto populates = [](const recording::record& r) { return r.piece().call().memory_op().cmd() == 6; };
  const auto piece = std::ranges::find_if(records, populates);
  ASSERT_NE(piece, records.end());
  auto& extents = *piece->mutable_piece()->mutable_outcome()->mutable_memory_op()->mutable_extents();
  extents[1] = extents[0];
  const scratch_directory scratch;
  write_records(scratch.path("spoilt.rec"), records);
  const replay_report report = replay(scratch.path("spoilt.rec"), false);
  EXPECT_THAT(report.first_differences[replay_report::results], testing::Contains(HasSubstr("memory_op returned 1,")));
}

// ---- what a replay does, seen in a capture small enough to see through

class replay_test : public testing::Test {
 protected:
  replay_report replayed() {
    capture.write(scratch.path("small"));
    import_capture(scratch.path("small"), file);
    return replay(file, false);
  }
  /// Replaces the capture's one call.
  void call(std::vector<std::string> lines) {
    capture.lines.erase(capture.lines.begin() + 3, capture.lines.begin() + 6);
    capture.lines.insert(capture.lines.begin() + 3, lines.begin(), lines.end());
  }
  /// What a recording with these records is refused with.
  std::string refusal(const std::vector<recording::record>& records) {
    write_records(file, records);
    try {
      replay(file, false);
    } catch (const input_error& e) {
      return e.what();
    }
    return "nothing was refused";
  }
  std::vector<recording::record> good_records() {
    replayed();
    return read_records(file);
  }

  scratch_directory scratch;
  small_capture capture;
  std::string file = scratch.path("small.rec");
  const std::string content = capture.lines[3];
  const std::string pin = capture.lines[4];
  const std::string pin_ret = capture.lines[5];
};

constexpr const char* no_difference = "0 results differ, 0 frames differ, 0 table entries differ";

// Clearing an L4 entry that held a table always ends in a continuation: the model makes it by itself.
TEST_F(replay_test, predicts_the_continuation_that_follows_from_the_call) {
  call({R"({"e":"do_mmu_update","count":1,"fd":32752,"req":[["400888","0"]]})",
        R"({"e":"ret","of":"do_mmu_update","rc":1})", R"({"e":"do_mmu_update","count":2147483648,"fd":0,"req":[]})",
        R"({"e":"ret","of":"do_mmu_update","rc":0})"});
  capture.after = capture.before;
  capture.after[small_capture::l3] = {xen::PGC_allocated | 1, xen::PGT_l3_page_table, capture.before[0x400].owner};
  capture.lines.resize(9);  // the L3 and the L1 are no tables at the end
  capture.lines[7] = R"({"e":"content","mfn":1024,"when":"end","pte":{"258":"400063"}})";
  const replay_report report = replayed();
  EXPECT_EQ(report.verdict(), no_difference);
  EXPECT_EQ(report.continuations_predicted, 1u);
  EXPECT_EQ(report.true_preemptions, 0u);
}

// A recording in which that call came to its end at once is not what Xen does.
TEST_F(replay_test, misses_a_continuation) {
  call({R"({"e":"do_mmu_update","count":1,"fd":32752,"req":[["400888","0"]]})",
        R"({"e":"ret","of":"do_mmu_update","rc":0})"});
  const replay_report report = replayed();
  ASSERT_FALSE(report.first_differences[replay_report::results].empty());
  EXPECT_THAT(report.first_differences[replay_report::results].front(),
              HasSubstr("piece 1: mmu_update returned 1, expected 0"));
}

// Between the entries of a multicall something else wanted the processor: that is taken from the recording, once.
TEST_F(replay_test, takes_a_true_preemption_from_the_recording) {
  call({R"({"e":"do_multicall","nr":2})", content, pin, pin_ret, R"({"e":"ret","of":"do_multicall","rc":13})",
        R"({"e":"do_multicall","nr":1})", R"({"e":"do_mmuext_op","count":1,"fd":32752,"op":[[6,"0","0"]]})",
        R"({"e":"ret","of":"do_mmuext_op","rc":0})", R"({"e":"ret","of":"do_multicall","rc":0})"});
  const replay_report report = replayed();
  EXPECT_EQ(report.verdict(), no_difference);
  EXPECT_EQ(report.true_preemptions, 1u);
  EXPECT_EQ(report.continuations_predicted, 0u);
  EXPECT_EQ(report.calls, 4u);
}

// What the model goes on with is compared, too: a rest that lacks an entry is a difference.
TEST_F(replay_test, compares_the_rest_of_a_call) {
  call({R"({"e":"do_mmuext_op","count":3,"fd":32752,"op":[[6,"0","0"],[6,"1","0"],[6,"2","0"]]})",
        R"({"e":"ret","of":"do_mmuext_op","rc":26})",
        R"({"e":"do_mmuext_op","count":2147483650,"fd":32752,"op":[[6,"1","0"],[6,"7","0"]]})",
        R"({"e":"ret","of":"do_mmuext_op","rc":0})"});
  const replay_report report = replayed();
  ASSERT_FALSE(report.first_differences[replay_report::results].empty());
  EXPECT_THAT(report.first_differences[replay_report::results].front(), HasSubstr("piece 1: was left with"));
}

// A multicall may have entries of kinds that a capture does not hold: the others are replayed all the same.
TEST_F(replay_test, lets_missing_multicall_entries_pass) {
  call({R"({"e":"do_multicall","nr":3})", content, pin, pin_ret, R"({"e":"ret","of":"do_multicall","rc":0})"});
  const replay_report report = replayed();
  EXPECT_EQ(report.verdict(), no_difference);
  EXPECT_EQ(report.calls, 2u);
}

// The processor set A and D in an entry since the model wrote it; the guest's compare-and-exchange tells so.
TEST_F(replay_test, adopts_the_accessed_and_dirty_bits_that_a_cmpxchg_tells) {
  call(
      {R"({"e":"content","mfn":1027,"when":"validate","pte":{"0":"404003"}})", pin, pin_ret,
       R"({"e":"ptwr_emulated_update","va":"ffff888000403000","old":"10000000404067","val":"0","bytes":8,"maddr":"403000"})",
       R"({"e":"ret","of":"ptwr_emulated_update","rc":0})"});
  capture.after[small_capture::data] = {xen::PGC_allocated | 1, xen::PGT_writable_page | xen::PGT_validated,
                                        capture.before[0x400].owner};
  capture.lines.back() = R"({"e":"content","mfn":1027,"when":"end","pte":{}})";
  const replay_report report = replayed();
  EXPECT_EQ(report.verdict(), no_difference);
  EXPECT_EQ(report.accessed_dirty_adopted, 1u);
}

// … but not more than the processor may set: with another frame in the old value, the exchange fails as on Xen.
TEST_F(replay_test, adopts_nothing_else) {
  call(
      {R"({"e":"content","mfn":1027,"when":"validate","pte":{"0":"404003"}})", pin, pin_ret,
       R"({"e":"ptwr_emulated_update","va":"ffff888000403000","old":"10000000405067","val":"0","bytes":8,"maddr":"403000"})",
       R"({"e":"ret","of":"ptwr_emulated_update","rc":0})"});
  const replay_report report = replayed();
  EXPECT_EQ(report.accessed_dirty_adopted, 0u);
  ASSERT_EQ(report.differ[replay_report::results], 1u);
  EXPECT_THAT(report.first_differences[replay_report::results].front(),
              HasSubstr("was refused, expected that it is done"));
}

// Each kind of difference is told with what came and what was expected.
TEST_F(replay_test, says_what_differs) {
  capture.lines[5] = R"({"e":"ret","of":"do_mmuext_op","rc":-22})";
  ++capture.after[0x405].count_info;
  capture.lines.back() = R"({"e":"content","mfn":1027,"when":"end","pte":{"0":"404165","5":"10000000000000"}})";
  const replay_report report = replayed();
  EXPECT_EQ(report.verdict(), "1 results differ, 1 frames differ, 1 table entries differ");
  EXPECT_EQ(report.first_differences[replay_report::results].front(),
            "piece 1: mmuext_op returned 0, expected -22 (-EINVAL)");
  EXPECT_THAT(report.first_differences[replay_report::frames].front(),
              HasSubstr("mfn 0x405: count_info 8000000000000001"));
  EXPECT_EQ(report.first_differences[replay_report::table_entries].front(),
            "mfn 0x403 slot 0 at the end: 0x404167, expected 0x404165");
}

// Only so many differences are told, but all are counted.
TEST_F(replay_test, bounds_what_it_tells) {
  for (std::size_t n = 0; n < 256; ++n) ++capture.after[n].count_info;
  const replay_report report = replayed();
  EXPECT_EQ(report.differ[replay_report::frames], 256u);
  EXPECT_LE(report.first_differences[replay_report::frames].size(), 50u);
}

// A state that no Xen leaves behind would end in an assert of the model's: it is refused before the first call.
TEST_F(replay_test, refuses_a_snapshot_that_contradicts_itself) {
  for (const u64 wrong : {xen::PGT_l3_page_table | xen::PGT_validated, xen::PGT_l3_page_table | 1,
                          xen::PGT_l3_page_table | xen::PGT_validated | xen::PGT_locked | 1,
                          xen::PGT_l2_page_table | xen::PGT_validated | 1,
                          xen::PGT_l3_page_table | xen::PGT_validated | xen::PGT_partial | 1}) {
    capture = {};
    capture.before[small_capture::l3].type_info = wrong;
    try {
      replayed();
      ADD_FAILURE() << fmt::format("{:#x}", wrong);
    } catch (const input_error& e) {
      EXPECT_THAT(e.what(), HasSubstr("the first snapshot contradicts itself: mfn 0x40"));
    }
  }
}

// Records out of their order, and numbers beyond the machine, are refused with their place in the file.
TEST_F(replay_test, refuses_records_that_make_no_recording) {
  const auto good = good_records();
  auto records = good;
  records[0].mutable_header()->set_machine_frames(u64{1} << 40);
  EXPECT_THAT(refusal(records), HasSubstr("a machine of 1099511627776 frames: 1024 to 4194304 are expected"));

  records = good;
  records[1].mutable_snapshot()->clear_vcpus();
  EXPECT_THAT(refusal(records), HasSubstr("0 vCPUs: 1 to 64 are expected"));

  records = good;
  records[1].mutable_snapshot()->mutable_vcpus(0)->set_user_mfn(1 << 30);
  EXPECT_THAT(refusal(records), HasSubstr("mfn 0x40000000: frames below 0x800 are expected"));

  records = good;
  records.erase(records.begin() + 1);
  EXPECT_THAT(refusal(records),
              AllOf(HasSubstr("record 2 (in the chunk at byte "), HasSubstr("a snapshot is expected before")));

  records = good;
  records.erase(records.begin() + 2);
  EXPECT_THAT(refusal(records), HasSubstr("a snapshot of 0 frames: all 2048 are expected"));

  records = good;
  records.push_back(records[1]);
  EXPECT_THAT(refusal(records), HasSubstr("a third snapshot: two are expected"));

  records.resize(4);
  EXPECT_THAT(refusal(records), HasSubstr("two snapshots are expected before the end"));

  records = good;
  records[2].mutable_frames()->set_length(0, 4096);
  EXPECT_THAT(refusal(records), HasSubstr("frames below 0x800 are expected"));

  const auto piece = std::ranges::find_if(good, &recording::record::has_piece) - good.begin();
  records = good;
  records[static_cast<std::size_t>(piece)].mutable_piece()->clear_asked();
  EXPECT_THAT(refusal(records), HasSubstr("piece 1 asks for nothing"));

  records = good;
  records[static_cast<std::size_t>(piece)].mutable_piece()->mutable_outcome()->set_result(26);
  EXPECT_THAT(refusal(records), HasSubstr("piece 1 was left, and no later one goes on with it"));

  records = good;
  records[static_cast<std::size_t>(piece)].mutable_piece()->mutable_call()->mutable_mmuext_op()->set_count(0);
  EXPECT_THAT(refusal(records), HasSubstr("a call with 1 entries that counts 0"));

  records = good;
  auto& outcome = *records[static_cast<std::size_t>(piece)].mutable_piece()->mutable_outcome();
  outcome.add_entries();
  EXPECT_THAT(refusal(records), HasSubstr("1 results of 0 entries"));
}

// A count of 2^32-1 in a recording costs nothing: entries that are not there cannot be read, and no room is made for
// them.
TEST_F(replay_test, takes_no_memory_on_a_counts_word) {
  auto records = good_records();
  for (recording::record& record : records) {
    if (!record.has_piece()) continue;
    record.mutable_piece()->mutable_call()->mutable_mmuext_op()->set_count(0x7fffffff);
    write_records(file, records);
    EXPECT_THAT(replay(file, false).first_differences[replay_report::results].front(),
                HasSubstr("returned -14 (-EFAULT), expected 0"));
    record.mutable_piece()->mutable_call()->mutable_multicall()->set_nr_calls(~u32{0});
    EXPECT_THAT(refusal(records), HasSubstr("4294967295 entries are missing: at most 1024 are expected"));
  }
}

// ---- the command

/// What `pvmmu replay` prints, and its exit status.
std::pair<std::string, int> run_replay(const std::string& arguments) {
  FILE* const pipe = ::popen((std::string(PVMMU_BINARY) + " replay " + arguments + " 2>&1").c_str(), "r");
  std::string text;
  std::array<char, 4096> buffer;
  while (const std::size_t read = std::fread(buffer.data(), 1, buffer.size(), pipe)) text.append(buffer.data(), read);
  return {text, WEXITSTATUS(::pclose(pipe))};
}

// The last line is the verdict; the exit status says the same: 0 as recorded, 1 a difference, 2 a bad file.
TEST_F(replay_test, the_command_ends_with_the_verdict) {
  const auto [text, status] = run_replay(recording_path("ns61-pmd_move"));
  EXPECT_TRUE(text.ends_with(std::string("\n") + no_difference + "\n")) << text;
  EXPECT_EQ(status, 0);

  ++capture.after[0x405].count_info;
  replayed();
  const auto [different, finding] = run_replay(file);
  EXPECT_TRUE(different.ends_with("0 results differ, 1 frames differ, 0 table entries differ\n")) << different;
  EXPECT_EQ(finding, 1);

  write_bytes(file, "x");
  const auto [error, bad_input] = run_replay(file);
  EXPECT_THAT(error, HasSubstr("at byte 0: no recording"));
  EXPECT_EQ(bad_input, 2);
}

// With --json there is one document on stdout and nothing else.
TEST_F(replay_test, the_command_speaks_json) {
  const auto [text, status] = run_replay("--json " + recording_path("l61-fork"));
  const auto document = boost::json::parse(text);
  EXPECT_EQ(document.at("results_differ"), 0);
  EXPECT_EQ(document.at("frames_differ"), 0);
  EXPECT_EQ(document.at("table_entries_differ"), 0);
  EXPECT_EQ(document.at("hypervisor"), "Xen 4.17.7");
  EXPECT_EQ(status, 0);
}

// ---- recordings spoilt on purpose

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
  std::fflush(stdout);
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
