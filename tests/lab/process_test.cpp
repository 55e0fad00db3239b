// Child processes: what they print, how they end, and that none stays behind.

#include "tools/lab/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "tools/lab/lab_error.h"

namespace pvmmu::lab {
namespace {

/// A pipe whose write end only a child process will have: it is at its end when that process is.
struct lifeline {
  lifeline() {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
    ours = unique_fd{ends[0]};
    theirs = unique_fd{ends[1]};
  }
  bool is_cut() {
    theirs.reset();
    char byte = 0;
    alarm(20);  // A child that stays behind fails the test.
    const bool cut = read(ours.get(), &byte, 1) == 0;
    alarm(0);
    return cut;
  }
  unique_fd ours;
  unique_fd theirs;
};

// What a command prints comes back with its exit status, errors included.
TEST(process, output_and_status_of_a_command) {
  const command_output output = run_command({"sh", "-c", "echo out; echo err >&2; exit 3"});
  EXPECT_EQ(output.text, "out\nerr\n");
  EXPECT_EQ(output.status, 3);
}

// A command that does not exist is an error with its name.
TEST(process, a_command_that_is_not_there) {
  try {
    run_command({"no-such-command"});
    FAIL() << "it was started";
  } catch (const lab_error& e) {
    EXPECT_NE(std::string{e.what()}.find("no-such-command"), std::string::npos);
  }
}

// A process ends with its object, for example when an exception passes.
TEST(process, ends_with_its_object) {
  lifeline line;
  {
    process sleeper{{"sleep", "1000"}, line.theirs.get(), 2};
  }
  EXPECT_TRUE(line.is_cut());
}

// It ends when its parent is killed and no destructor runs.
TEST(process, ends_with_its_parent) {
  lifeline line;
  lifeline started;
  const pid_t parent = fork();
  ASSERT_GE(parent, 0);
  if (parent == 0) {
    process sleeper{{"sh", "-c", "echo >&2; exec sleep 1000"}, line.theirs.get(), started.theirs.get()};
    pause();
    _exit(0);
  }
  char byte = 0;
  ASSERT_EQ(read(started.ours.get(), &byte, 1), 1);
  kill(parent, SIGKILL);
  waitpid(parent, nullptr, 0);
  EXPECT_TRUE(line.is_cut());
}

}  // namespace
}  // namespace pvmmu::lab
