#pragma once
// A child process that never outlives us: it ends with this object, with an exception, with ^C, and with our own death.

#include <sys/types.h>

#include <span>
#include <string>
#include <vector>

#include "tools/lab/unique_fd.h"

namespace pvmmu::lab {

class process {
 public:
  /// Starts args[0], looked for in PATH. Its input is empty; its output and errors go to the two descriptors. It
  /// inherits `inherited`, and what was opened without O_CLOEXEC. Throws lab_error if it cannot be started.
  process(const std::vector<std::string>& args, int output, int errors, std::span<const int> inherited = {});
  ~process();
  process(const process&) = delete;
  process& operator=(const process&) = delete;

  /// Waits until it ends: its exit status, or 128 + the signal that ended it.
  int wait();

 private:
  pid_t pid_;
};

/// What a command prints, and its exit status; its errors are added to the text. Throws lab_error if there is no such
/// command.
struct command_output {
  int status = 0;
  std::string text;
};
command_output run_command(const std::vector<std::string>& args);

}  // namespace pvmmu::lab
