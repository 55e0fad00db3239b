// Two runs held against each other: what is alike although its frames have other numbers, and what differs and how.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "guest-pv/kernel_profile.h"
#include "tests/scratch_directory.h"
#include "tools/connection.h"
#include "tools/diff/diff_text.h"
#include "tools/diff/summary.h"
#include "tools/recorder/recorder.h"
#include "tools/runner.h"
#include "tools/show/columns.h"

namespace pvmmu::tools {
namespace {

namespace json = boost::json;
using testing::HasSubstr;
using testing::Not;

const std::string source = PVMMU_SOURCE_DIR;

std::string example(const std::string& name) {
  std::ifstream file(source + "/examples/" + name + ".textproto");
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  const std::size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return text.replace(at, what.size(), by);
}

class diff_test : public testing::Test {
 protected:
  /// The path of a recording of the scenario.
  std::string recorded(const std::string& scenario, const kernel_override& kernel = {}) {
    const std::string number = std::to_string(++recordings_);
    const std::string text_path = scratch.path(number + ".textproto"), path = scratch.path(number + ".rec");
    std::ofstream(text_path) << scenario;
    recorder r(path, [](const std::string&) {});
    {
      connection server("", r.listens());
      run_scenario(scenario_file::read(text_path), server, kernel);
    }
    r.check();
    return path;
  }

  const scratch_directory scratch;

 private:
  unsigned recordings_ = 0;
};

/// Both runs, with what each step of the scenario came to.
struct held {
  held(const std::string& path_a, const std::string& path_b)
      : a(timeline::open(path_a, false)), b(timeline::open(path_b, false)) {
    run_diff d(a, b);
    d.each_step([this](const step_diff& s) {
      sum.add(s);
      if (!s.alike()) differing.push_back(s.a ? s.a->title : s.b->title);
      for (const aligned_row& row : s.rows)
        if (s.alike(row)) renumbered += s.a->all[*row.a].lines.back().text != s.b->all[*row.b].lines.back().text;
    });
    sum.end(d, a, b);
  }

  timeline a, b;
  diff_summary sum;
  std::vector<std::string> differing;  ///< titles
  u64 renumbered = 0;                  ///< calls that are alike, with other frames
};

std::string text_of(const std::string& path_a, const std::string& path_b, std::size_t columns = 120) {
  timeline a = timeline::open(path_a, false), b = timeline::open(path_b, false);
  std::string text;
  diff_text({path_a, a}, {path_b, b}, columns, false, [&](const std::string& piece) { text += piece; });
  return text;
}

json::object json_of(const std::string& path_a, const std::string& path_b) {
  timeline a = timeline::open(path_a, false), b = timeline::open(path_b, false);
  std::string text;
  diff_json({path_a, a}, {path_b, b}, [&](const std::string& piece) { text += piece; });
  return json::parse(text).as_object();
}

// A run is like itself: one of a scenario, and one of the real thing.
TEST_F(diff_test, a_run_and_itself) {
  const std::string real = source + "/tests/fidelity/recordings/6.1/fork_cow.rec";
  for (const std::string& path : {recorded(example("fork-cow")), real}) {
    const held h(path, path);
    EXPECT_TRUE(h.sum.alike());
    EXPECT_GT(h.sum.calls_alike, 50u);
    EXPECT_THAT(h.sum.said(), testing::IsEmpty());
    EXPECT_THAT(text_of(path, path), HasSubstr("\nno difference in "));
  }
}

// What comes in between is said within its step, and is neither a step nor a call.
TEST_F(diff_test, interludes) {
  const std::string path = recorded(example("bugs/06-preempted-at-lazy-mode"));
  // The update, two loads of tables, and a flush for each of four pages.
  EXPECT_THAT(text_of(path, path),
              HasSubstr("\nstep 5  mprotect 0x200000000000, 16 KiB to read-only: 7 calls alike\n"));
  EXPECT_EQ(json_of(path, path).at("scenario_steps").as_array().size(), 10u) << "nine, and what is before them";
}

// A larger domain has its kernel's tables in other frames, and so all that comes later: the same calls are alike.
TEST_F(diff_test, other_frames_are_no_difference) {
  for (const char* const name : {"pmd-move", "fork-cow", "suspend-resume"}) {
    const std::string scenario = example(name);
    const held h(recorded(scenario), recorded(replaced(scenario, "kind: DOM0", "kind: DOM0 pages: 20000")));
    EXPECT_THAT(h.differing, testing::ElementsAre("")) << name;  // what comes before the first step
    EXPECT_GT(h.renumbered, 8u) << name;
  }
}

// The order of two stores: one call differs, and only the run that clears first validates the L1 again.
TEST_F(diff_test, clear_before_set_and_set_before_clear) {
  const std::string clear = recorded(example("clear-before-set")), set = recorded(example("set-before-clear"));
  const held h(clear, set);
  EXPECT_THAT(h.differing, testing::ElementsAre("step 9  hypercall mmu_update"));
  EXPECT_EQ(h.sum.calls_differ, 1u);
  EXPECT_EQ(h.sum.only_a + h.sum.only_b, 0u);
  EXPECT_EQ(h.sum.cost_a.validated_again, 1u);
  EXPECT_EQ(h.sum.cost_b.validated_again, 0u);
  EXPECT_THAT(h.sum.end_differences, testing::IsEmpty());
  const std::string text = text_of(clear, set);
  EXPECT_THAT(text, HasSubstr("devalidated mfn 0x200 \"l1\" as L1: 1 entry           <\n"));
  EXPECT_THAT(text,
              HasSubstr("mfn 0x200 \"l1\" L1  type count 0→1  count 2→3        |         mfn 0x200 \"l1\" L1  type "
                        "count 1→2  count 3→4\n"));
}

// A 2 MiB mremap with split page-table locks and without: L1s are pinned or not, so its 512 entries are validated again
// or not, by the same calls. What programs read is alike.
TEST_F(diff_test, split_and_not_split) {
  const std::string scenario = example("pmd-move");
  const std::string split = recorded(scenario), whole = recorded(scenario, {.nr_cpus = 2});
  const held h(split, whole);
  EXPECT_THAT(h.differing,
              testing::ElementsAre("step 3  touch 0x200000200000, 4 KiB", "step 5  touch 0x300000200000, 4 KiB",
                                   "step 6  touch 0x200000000000, 2 MiB",
                                   "step 7  mremap 0x200000000000 → 0x300000000000, 2 MiB", "step 10  exit_mmap a"));
  EXPECT_EQ(h.sum.only_a + h.sum.only_b, 0u);
  EXPECT_EQ(h.sum.cost_a.validated_again, 0u);
  EXPECT_EQ(h.sum.cost_b.validated_again, 512u);
  EXPECT_EQ(h.sum.cost_a.hypercalls, h.sum.cost_b.hypercalls);
  const std::string text = text_of(split, whole);
  EXPECT_THAT(text,
              HasSubstr("mfn 0x23a L1  type count 2→1  count 4→3          |            mfn 0x23a L1  type count 1→0"));
  EXPECT_THAT(text, HasSubstr(">            devalidated mfn 0x23a as L1: 512 entries\n"));
  EXPECT_THAT(text, HasSubstr("  validated again                0       512      +512\n"));
}

// Linux 5.14 against 6.1: what Xen refuses, what both print, and nothing else.
TEST_F(diff_test, two_kernels) {
  const std::string scenario = example("pmd-move");
  const std::string now = recorded(scenario);
  const std::string then = recorded(scenario, {.profile = guest::find_kernel_profile("5.14")});
  const held h(then, now);
  EXPECT_THAT(h.differing, testing::ElementsAre("step 7  mremap 0x200000000000 → 0x300000000000, 2 MiB"));
  EXPECT_EQ(h.sum.cost_a.failed_calls, 1u);
  EXPECT_EQ(h.sum.cost_b.failed_calls, 0u);
  std::vector<std::string> said;
  for (const said_difference& s : h.sum.said()) {
    EXPECT_EQ(s.b, 0u);
    said.push_back(s.text);
  }
  EXPECT_THAT(said, testing::Contains("[1] mmuext_op = -EINVAL: PIN_L1_TABLE mfn 0x23a"));
  EXPECT_THAT(said, testing::Contains(HasSubstr("mfn 0023a already pinned")));
  EXPECT_THAT(said, testing::Contains("Linux: 1 of 2 multicall(s) failed: cpu 0"));
}

// Steps that one scenario alone has stand alone, and the others are held against each other.
TEST_F(diff_test, a_step_more) {
  const std::string scenario = example("pmd-move");
  const std::string more = replaced(scenario, "step { read { va: 0x3000001ff000 }",
                                    "step { touch { va: 0x300000001000 bytes: 0x1000 } }\n"
                                    "step { mmap { va: 0x400000000000 bytes: 0x1000 } }\n"
                                    "step { touch { va: 0x400000000000 bytes: 0x1000 } }\n"
                                    "step { read { va: 0x3000001ff000 }");
  const held h(recorded(scenario), recorded(more));
  EXPECT_THAT(h.differing,
              testing::IsSupersetOf({"step 9  touch 0x300000001000, 4 KiB", "step 10  mmap 0x400000000000, 4 KiB",
                                     "step 11  touch 0x400000000000, 4 KiB"}));
  EXPECT_EQ(h.sum.only_a, 0u);
  EXPECT_EQ(h.sum.steps_differ, 4u);  // at exit there is a tree more to unpin
}

// One entry among others that look alike is found, although like ones are shown once; so is another value that a
// program reads, although Xen saw nothing of it.
TEST_F(diff_test, small_differences) {
  const auto with_slots = [](const std::vector<unsigned>& slots) {
    std::string requests;
    for (const unsigned slot : slots)
      requests += fmt::format("request {{ entry {{ table {{ name: \"l2\" }} slot: {} }} val: 2 }}\n", slot);
    return replaced(example("set-before-clear"), "request { entry { table { name: \"l2\" } slot: 0 } val: 0 }",
                    requests);
  };
  const std::string a = recorded(with_slots({3, 4, 5, 6, 7})), b = recorded(with_slots({3, 4, 9, 6, 7}));
  EXPECT_THAT(held(a, b).differing, testing::ElementsAre("step 9  hypercall mmu_update"));
  EXPECT_THAT(text_of(a, b), HasSubstr("\"l2\"[9]  0 → 0x2"));

  const std::string reads =
      "kind: DOM0 kernel { profile: \"6.1\" } }\nstep { exec { mm: \"a\" } }\n"
      "step { mmap { va: 0x200000000000 bytes: 0x1000 } }\n"
      "step { write { va: 0x200000000000 value: VALUE } }\n"
      "step { read { va: 0x200000000000 } }\n";
  const held read(recorded("domain { " + replaced(reads, "VALUE", "7")),
                  recorded("domain { " + replaced(reads, "VALUE", "8")));
  EXPECT_THAT(read.differing, testing::Contains("step 4  read 0x200000000000"));
}

// JSON says the same as the text.
TEST_F(diff_test, json) {
  const std::string clear = recorded(example("clear-before-set")), set = recorded(example("set-before-clear"));
  const json::object differs = json_of(clear, set);
  EXPECT_FALSE(differs.at("sum").at("alike").as_bool());
  EXPECT_EQ(differs.at("sum").at("cost_a").at("validated_again"), 1);
  const json::array& steps = differs.at("scenario_steps").as_array();
  ASSERT_EQ(steps.size(), 10u);
  EXPECT_EQ(steps[9].at("title_a"), "step 9  hypercall mmu_update");
  EXPECT_EQ(steps[9].at("differences").as_array().size(), 1u);
  EXPECT_EQ(steps[9].at("differences").at(0).at("b").at("step"), 7);
  EXPECT_TRUE(json_of(set, set).at("sum").at("alike").as_bool());
}

// A recording that was cut off is held against the whole one as far as it goes. That it is torn is said, and a
// difference.
TEST_F(diff_test, torn) {
  const std::string whole = recorded(example("pmd-move")), torn = scratch.path("torn.rec");
  std::filesystem::copy_file(whole, torn);
  std::filesystem::resize_file(torn, std::filesystem::file_size(torn) - 37);
  const std::string text = text_of(whole, torn);
  EXPECT_THAT(text, HasSubstr("   torn: the last "));
  EXPECT_THAT(text, HasSubstr("\nno difference as far as the torn one goes: "));
  EXPECT_FALSE(held(whole, torn).sum.alike());
  EXPECT_THAT(text, HasSubstr("\nstep 7  mremap 0x200000000000 → 0x300000000000, 2 MiB: 4 calls alike\n"));
}

// No line is wider than it may be, in whatever columns.
TEST_F(diff_test, columns) {
  const std::string a = recorded(example("pmd-move")), b = recorded(example("pmd-move"), {.nr_cpus = 2});
  for (const std::size_t columns : {60u, 80u, 200u}) {
    std::istringstream text(text_of(a, b, columns));
    for (std::string line; std::getline(text, line);) {
      const bool in_columns = line.find(" | ") != std::string::npos || line.find(" <") != std::string::npos;
      EXPECT_TRUE(!in_columns || columns_of(line) <= columns) << line;
    }
  }
}

}  // namespace
}  // namespace pvmmu::tools
