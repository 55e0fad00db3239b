#pragma once
// Lines on Xen's console, which the host reads from the serial port. Its words are part of the protocol:
//   PROBE RESULTS <machine address> <bytes>    where results_header lies
//   PROBE LOST <what>                          no program can be run any more
//   PROBE DONE

#include "tests/conformance/probe/xen_abi.h"

namespace pvmmu::probe {

/// A line of text and numbers in hexadecimal. Longer than 127 bytes, it is cut.
class console_line {
 public:
  ~console_line();
  console_line& operator<<(const char* text);
  console_line& operator<<(u64 number);

 private:
  void put(char c) {
    if (length_ < sizeof text_ - 1) text_[length_++] = c;
  }
  char text_[128];
  u64 length_ = 0;
};

/// Prints why no program can be run any more, and stays there.
[[noreturn]] void lost(const char* what, u64 number = 0);

/// The processor is Xen's until the machine ends.
[[noreturn]] void idle();

}  // namespace pvmmu::probe
