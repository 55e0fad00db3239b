// pvmmu serve as its users meet it: a process, its stderr, its exit status; and the addresses that reach it.

#include "tools/serve.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/scratch_directory.h"
#include "tools/connection.h"
#include "tools/recording_file.h"

namespace pvmmu::tools {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

/// `pvmmu` with some arguments, its stderr read line by line.
class process {
 public:
  explicit process(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), PVMMU_BINARY);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
    EXPECT_EQ(posix_spawn(&pid_, PVMMU_BINARY, &actions, nullptr, argv.data(), environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    stderr_ = fdopen(ends[0], "r");
  }
  ~process() {
    if (stderr_) end(SIGKILL);
  }
  process(const process&) = delete;
  process& operator=(const process&) = delete;

  std::string line() {
    std::string text;
    for (int c = fgetc(stderr_); c != EOF && c != '\n'; c = fgetc(stderr_)) text += static_cast<char>(c);
    return text;
  }
  /// Sends a signal, 0 for none, and returns the exit status.
  int end(int signal) {
    if (signal != 0) kill(pid_, signal);
    fclose(std::exchange(stderr_, nullptr));
    int status = 0;
    waitpid(pid_, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  pid_t pid_ = 0;
  FILE* stderr_ = nullptr;
};

class serve_test : public ::testing::Test {
 protected:
  const scratch_directory scratch;
};

// It says where it listens, serves there, and on SIGINT or SIGTERM ends as it should: status 0, no socket left.
TEST_F(serve_test, serves_until_it_is_told_to_end) {
  const std::string path = scratch.path("server");
  for (const int signal : {SIGINT, SIGTERM}) {
    process server({"serve", "--unix", path, "--tcp", "0"});
    EXPECT_EQ(server.line(), "listening on unix:" + path);
    const std::string tcp = server.line();
    ASSERT_THAT(tcp, StartsWith("listening on 127.0.0.1:"));
    for (const std::string& address : {"unix:" + path, tcp.substr(tcp.rfind(' ') + 1)}) {
      guest::channel_client client = connection(address).open();
      client.hello({});
      EXPECT_EQ(client.create_domain({}).domid, 0);
    }
    EXPECT_EQ(server.end(signal), 0);
    EXPECT_FALSE(std::filesystem::exists(path));
  }
}

// Killed in the middle, it leaves a recording of every request that it had answered.
TEST_F(serve_test, leaves_a_recording_when_it_is_killed) {
  const std::string path = scratch.path("server");
  const std::string recording = scratch.path("x.rec");
  process server({"serve", "--unix", path, "--record", recording});
  EXPECT_EQ(server.line(), "listening on unix:" + path);
  guest::channel_client client = connection("unix:" + path).open();
  client.hello({});
  guest::channel_domain d = client.domain(client.create_domain({}).domid);
  for (u64 i = 0; i < 500; ++i) {
    hypercall call = unknown_call{i + 100};
    EXPECT_TRUE(d.call(0, call, "asks"));
  }
  EXPECT_EQ(server.end(SIGKILL), -1);
  auto reader = recording_reader::open(recording);
  ASSERT_TRUE(reader) << reader.error();
  EXPECT_TRUE((*reader->next())->piece().has_create_domain());
  for (u64 i = 0; i < 500; ++i) EXPECT_EQ((*reader->next())->piece().call().unknown().op(), i + 100);
  EXPECT_FALSE(*reader->next());
  EXPECT_EQ(reader->torn(), "the end record is missing");
}

// Wrong usage is status 2 and says what was expected.
TEST_F(serve_test, refuses_wrong_usage) {
  process nowhere({"serve"});
  EXPECT_THAT(nowhere.line(), HasSubstr("expected --unix PATH, --tcp [HOST:]PORT or both"));
  EXPECT_EQ(nowhere.end(0), 2);
  process no_port({"serve", "--tcp", "localhost:65536"});
  EXPECT_THAT(no_port.line(), HasSubstr("\"localhost:65536\": expected [HOST:]PORT with a port from 0 to 65535"));
  EXPECT_EQ(no_port.end(0), 2);
}

// What is in the way of the socket is named, left alone, and status 3: the environment is at fault.
TEST_F(serve_test, leaves_files_alone) {
  const std::string path = scratch.path("file");
  std::ofstream(path) << "precious";
  process server({"serve", "--unix", path});
  EXPECT_THAT(server.line(), HasSubstr("something other than a socket is there, and is not replaced"));
  EXPECT_EQ(server.end(0), 3);
  EXPECT_EQ(std::filesystem::file_size(path), 8u);
}

// An address is a port, on the loopback unless a host stands before it.
TEST(tcp_address, is_a_port_or_host_and_port) {
  EXPECT_EQ(parse_tcp_address("8000").host, "127.0.0.1");
  EXPECT_EQ(parse_tcp_address("8000").port, 8000);
  EXPECT_EQ(parse_tcp_address("::1:8000").host, "::1");
  EXPECT_EQ(parse_tcp_address("example:0").host, "example");
  for (const char* wrong : {"", ":", "host:", ":80", "65536", "-1", "80x", "host:80 "})
    EXPECT_THROW(parse_tcp_address(wrong), input_error) << wrong;
  EXPECT_THROW(connection("unix:"), input_error);
}

}  // namespace
}  // namespace pvmmu::tools
