#pragma once
// Lines from a pipe or socket, with a limit of time: the serial port's, and QMP's.

#include <optional>
#include <string>

#include "tools/lab/deadline.h"

namespace pvmmu::lab {

class line_reader {
 public:
  explicit line_reader(int fd) : fd_(fd) {}
  /// The next line without its end; nothing when the time is over or the other side has closed. Throws
  /// std::system_error.
  std::optional<std::string> next(const deadline& until);
  /// The other side has closed, and every line was read.
  bool ended() const { return ended_; }
  /// What was read since the last whole line.
  const std::string& rest() const { return buffer_; }

 private:
  int fd_;
  std::string buffer_;
  bool ended_ = false;
};

}  // namespace pvmmu::lab
