#pragma once
// A machine's serial port, as whoever sits at it: lines come, and lines can be typed. Tests sit at one without a
// machine.

#include <optional>
#include <string>

#include "tools/lab/deadline.h"

namespace pvmmu::lab {

class console {
 public:
  console() = default;
  console(const console&) = delete;
  console& operator=(const console&) = delete;
  virtual ~console() = default;

  /// The next line without its end; nothing when time is over or the machine is gone.
  virtual std::optional<std::string> next_line(const deadline& until) = 0;
  /// A line and the return key. Throws lab_error if the machine is gone.
  virtual void type(const std::string& line) = 0;
  /// The machine is gone, and every line was read.
  virtual bool ended() const = 0;
  /// What the machine's emulator itself complained about.
  virtual std::string complaints() = 0;
};

}  // namespace pvmmu::lab
