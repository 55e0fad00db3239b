#include "tools/lab/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>
#include <utility>

#include "tools/lab/lab_error.h"

namespace pvmmu::lab {
namespace {

/// In the child: only what is safe between fork and exec. Reports errno through `failure`.
[[noreturn]] void become(char* const* args, int output, int errors, std::span<const int> inherited, pid_t parent,
                         int failure) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
  const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  dup2(nothing, 0);
  dup2(output, 1);
  dup2(errors, 2);
  for (int fd : inherited) fcntl(fd, F_SETFD, 0);
  execvp(args[0], args);
  const int error = errno;
  (void)!write(failure, &error, sizeof error);
  _exit(127);
}

}  // namespace

process::process(const std::vector<std::string>& args, int output, int errors, std::span<const int> inherited) {
  std::vector<char*> argv;
  argv.reserve(args.size() + 1);
  for (const std::string& arg : args) argv.push_back(const_cast<char*>(arg.c_str()));
  argv.push_back(nullptr);
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) throw lab_error("no pipe to start a process with");
  unique_fd read_end{ends[0]};
  unique_fd write_end{ends[1]};
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ < 0) throw lab_error(fmt::format("cannot start {}: {}", args[0], std::strerror(errno)));
  if (pid_ == 0) become(argv.data(), output, errors, inherited, parent, write_end.get());
  write_end.reset();
  int error = 0;
  if (read(read_end.get(), &error, sizeof error) == sizeof error) {
    wait();
    throw lab_error(fmt::format("cannot start {}: {}", args[0], std::strerror(error)));
  }
}

process::~process() {
  if (pid_ < 0) return;
  kill(pid_, SIGKILL);
  wait();
}

int process::wait() {
  const pid_t pid = std::exchange(pid_, -1);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

command_output run_command(const std::vector<std::string>& args) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) throw lab_error("no pipe to run a command with");
  unique_fd read_end{ends[0]};
  unique_fd write_end{ends[1]};
  process child{args, write_end.get(), write_end.get()};
  write_end.reset();
  command_output result;
  std::array<char, 4096> buffer{};
  ssize_t got = 0;
  while ((got = read(read_end.get(), buffer.data(), buffer.size())) > 0 || (got < 0 && errno == EINTR))
    if (got > 0) result.text.append(buffer.data(), static_cast<std::size_t>(got));
  result.status = child.wait();
  return result;
}

}  // namespace pvmmu::lab
