#include "tests/conformance/probe/console.h"

#include "tests/conformance/probe/hypercalls.h"

namespace pvmmu::probe {

console_line::~console_line() {
  text_[length_++] = '\n';
  hypercall(HYPERVISOR_console_io, CONSOLEIO_write, length_, address_of(text_));
}

console_line& console_line::operator<<(const char* text) {
  while (*text) put(*text++);
  return *this;
}

console_line& console_line::operator<<(u64 number) {
  put('0');
  put('x');
  int shift = 60;
  while (shift > 0 && number >> shift == 0) shift -= 4;
  for (; shift >= 0; shift -= 4) put("0123456789abcdef"[number >> shift & 15]);
  return *this;
}

void lost(const char* what, u64 number) {
  console_line{} << "PROBE LOST " << what << " " << number;
  idle();
}

void idle() {
  while (true) hypercall(HYPERVISOR_sched_op, SCHEDOP_block, 0);
}

}  // namespace pvmmu::probe
