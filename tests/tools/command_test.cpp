// The built command, as a user calls it: exit status, stdout and stderr.

#include <gmock/gmock.h>
#include <unistd.h>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <filesystem>
#include <fstream>

#include "tests/scratch_directory.h"
#include "tests/tools/pvmmu_command.h"
#include "tests/tools/recordings.h"
#include "tests/tools/small_capture.h"

namespace pvmmu::tools {
namespace {

const std::string examples = PVMMU_SOURCE_DIR "/examples/";

class temporary_file {
 public:
  explicit temporary_file(const std::string& text)
      : path_(std::filesystem::temp_directory_path() /
              ("pvmmu-command-test-" + std::to_string(getpid()) + ".textproto")) {
    std::ofstream(path_) << text;
  }
  ~temporary_file() { std::filesystem::remove(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// 0: all as expected. 1: a finding, told with its place.
TEST(command, exit_status_tells_findings) {
  EXPECT_EQ(pvmmu("run " + examples + "double-pin.textproto").status, 0);
  const temporary_file bad("domain {}\nstep { hypercall { unknown: 99 } }\n");
  const ended e = pvmmu("run " + bad.path());
  EXPECT_EQ(e.status, 1);
  EXPECT_THAT(e.out, testing::HasSubstr(bad.path() + ":2:1: error: expected none, got -ENOSYS"));
}

// 2: bad usage and bad files, with what was expected.
TEST(command, exit_status_tells_bad_input) {
  EXPECT_EQ(pvmmu("").status, 2);
  EXPECT_EQ(pvmmu("nonsense").status, 2);
  EXPECT_EQ(pvmmu("run").status, 2);
  EXPECT_EQ(pvmmu("run --nonsense x").status, 2);
  EXPECT_EQ(pvmmu("run --color sometimes x").status, 2);
  EXPECT_EQ(pvmmu("run /nowhere/x.textproto").status, 2);
  EXPECT_EQ(pvmmu("run --connect 127.0.0.1:99999 " + examples + "pmd-move.textproto").status, 2);
  EXPECT_EQ(pvmmu("matrix " + examples + "refusals.textproto").status, 2);
  const temporary_file bad("domain {}\nstep { jump {} }\n");
  const ended e = pvmmu("run " + bad.path());
  EXPECT_EQ(e.status, 2);
  EXPECT_THAT(e.out, testing::HasSubstr(bad.path() + ":2:13: "));
  EXPECT_THAT(e.out, testing::HasSubstr("expected one of"));
  const ended no_kernel = pvmmu("record --kernel /nowhere/vmlinuz --initrd /nowhere/i --run x -o " + bad.path());
  EXPECT_EQ(no_kernel.status, 2);
  EXPECT_THAT(no_kernel.out, testing::HasSubstr("/nowhere/vmlinuz: no such kernel"));
}

// 3: the environment failed: no server there, stdout full.
TEST(command, exit_status_tells_that_the_environment_failed) {
  EXPECT_EQ(pvmmu("run --connect unix:/nowhere/sock " + examples + "pmd-move.textproto").status, 3);
  EXPECT_EQ(pvmmu("run " + examples + "pmd-move.textproto", "2>/dev/null > /dev/full").status, 3);
}

// --json leaves one JSON document on stdout and nothing else, wherever the option stands.
TEST(command, json_is_clean) {
  for (const std::string& call :
       {"run " + examples + "pmd-move.textproto " + examples + "refusals.textproto --json",
        "--json run " + examples + "pmd-move.textproto", "matrix --json " + examples + "pmd-move.textproto"}) {
    const ended e = pvmmu(call, "2>/dev/null");
    EXPECT_EQ(e.status, 0) << call;
    boost::json::error_code error;
    const auto document = boost::json::parse(e.out, error);
    EXPECT_FALSE(error) << call << ": " << error.message();
    EXPECT_TRUE(document.is_object());
    EXPECT_EQ(std::count(e.out.begin(), e.out.end(), '\n'), 1) << "one line";
  }
}

// Colours only where asked for, or on a terminal; no talk on stdout.
TEST(command, colors_are_for_terminals) {
  const std::string run = "run " + examples + "refusals.textproto";
  EXPECT_THAT(pvmmu(run).out, testing::Not(testing::HasSubstr("\x1b[")));
  EXPECT_THAT(pvmmu(run + " --color always").out, testing::HasSubstr("\x1b["));
  EXPECT_THAT(pvmmu(run + " --color never").out, testing::Not(testing::HasSubstr("\x1b[")));
}

// Help shows an example for every subcommand; the version is there.
TEST(command, help_shows_examples) {
  EXPECT_EQ(pvmmu("--version").status, 0);
  for (const std::string sub : {"run", "matrix", "serve", "import", "replay", "show", "why", "compare", "record"}) {
    const ended e = pvmmu(sub + " --help");
    EXPECT_EQ(e.status, 0) << sub;
    EXPECT_THAT(e.out, testing::HasSubstr("pvmmu " + sub)) << sub;
  }
}

// Beside a recording, whoever made it, the link `latest` names it; a recording has another name.
TEST(command, latest_recording) {
  const scratch_directory scratch;
  small_capture().write(scratch.path("capture"));
  EXPECT_EQ(pvmmu("import " + scratch.path("capture") + " -o " + scratch.path("first.rec")).status, 0);
  EXPECT_EQ(std::filesystem::read_symlink(scratch.path("latest")), "first.rec");
  EXPECT_EQ(pvmmu("run " + examples + "double-pin.textproto --record " + scratch.path("second.rec")).status, 0);
  EXPECT_EQ(std::filesystem::read_symlink(scratch.path("latest")), "second.rec");
  EXPECT_EQ(pvmmu("import " + scratch.path("capture") + " -o " + scratch.path("latest")).status, 2);
}

// What compares kernels wants a real one's recording.
TEST(command, compare_wants_a_real_kernel) {
  const scratch_directory scratch;
  EXPECT_EQ(pvmmu("run " + examples + "pmd-move.textproto --record " + scratch.path("x.rec")).status, 0);
  const ended e = pvmmu("compare " + scratch.path("x.rec") + " --workload touch");
  EXPECT_EQ(e.status, 2);
  EXPECT_THAT(e.out, testing::HasSubstr("expected: a recording of a real kernel"));
}

// Two runs side by side: 0 where nothing differs, 1 where something does, 2 for what is no recording.
TEST(command, diff) {
  const scratch_directory scratch;
  const std::string clear = scratch.path("clear.rec"), set = scratch.path("set.rec");
  EXPECT_EQ(pvmmu("run " + examples + "clear-before-set.textproto --record " + clear).status, 0);
  EXPECT_EQ(pvmmu("run " + examples + "set-before-clear.textproto --record " + set).status, 0);
  const ended differs = pvmmu("diff " + clear + " " + set);
  EXPECT_EQ(differs.status, 1);
  EXPECT_THAT(differs.out, testing::HasSubstr("\n1 of 10 steps differs: 1 call differs, "));
  EXPECT_EQ(pvmmu("diff " + set + " " + set).status, 0);
  const ended document = pvmmu("diff --json " + clear + " " + set, "2>/dev/null");
  EXPECT_EQ(document.status, 1);
  EXPECT_EQ(boost::json::parse(document.out).at("sum").at("calls_differ"), 1);
  const ended scenario = pvmmu("diff " + set + " " + examples + "set-before-clear.textproto");
  EXPECT_EQ(scenario.status, 2);
  EXPECT_THAT(scenario.out, testing::HasSubstr("--record FILE` makes one"));
  EXPECT_EQ(pvmmu("diff " + set).status, 2);
}

}  // namespace
}  // namespace pvmmu::tools
