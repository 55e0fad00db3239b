#include "tests/fidelity/program/system_call.h"

namespace pvmmu::workload {

namespace {

void print(const char* text) {
  u64 length = 0;
  while (text[length]) ++length;
  system_call(__NR_write, 2, text, length);
}

void print_number(s64 number) {
  char digits[24];
  char* first = digits + sizeof(digits) - 1;
  *first = '\0';
  u64 rest = number < 0 ? u64(-number) : u64(number);
  do *--first = char('0' + rest % 10);
  while ((rest /= 10) != 0);
  if (number < 0) *--first = '-';
  print(first);
}

}  // namespace

void fail(const char* what, s64 result) {
  print("workload: ");
  print(what);
  print(": unexpected result ");
  print_number(result);
  print("\n");
  exit_process(1);
}

void exit_process(int status) {
  system_call(__NR_exit_group, status);
  __builtin_unreachable();
}

}  // namespace pvmmu::workload
