#pragma once
// What a Linux that runs as dom0 says on the console: waited for, and understood when it is a cry for help.
//
//   linux_console said{machine};
//   said.wait_for("INIT UP", 120s);      // throws lab_error with the console's last lines if that will never come

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "tools/lab/console.h"

namespace pvmmu::lab {

class linux_console {
 public:
  explicit linux_console(console& port) : port_(port) {}

  /// Until a line has `marker` in it: that line from there on. Throws lab_error with the last lines: Xen or the kernel
  /// has panicked, the guest has crashed, /init has ended, QEMU has ended, or time is over.
  std::string wait_for(std::string_view marker, std::chrono::seconds limit);

  /// The lines up to one that is `end`; they do not become a part of what was said. Throws as wait_for.
  std::vector<std::string> read_until(std::string_view end, std::chrono::seconds limit);

  /// All that was said so far, but for what was read.
  const std::vector<std::string>& lines() const { return lines_; }

 private:
  /// The next line, if anything but the end can follow it.
  std::string next_line(std::string_view awaited, const deadline& until, std::chrono::seconds limit);
  [[noreturn]] void fail(std::string_view awaited, std::string_view why);
  [[noreturn]] void fail_of_death(std::string_view awaited);
  std::string last_lines() const;

  console& port_;
  std::vector<std::string> lines_;
};

}  // namespace pvmmu::lab
