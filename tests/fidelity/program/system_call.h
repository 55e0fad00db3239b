#pragma once
// Linux's system calls, without a C library: a library would map, touch and allocate on its own.
//
//   must("mremap", system_call(__NR_mremap, from, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, to));

#include <asm/unistd_64.h>

#include "proto/abi/types.h"

namespace pvmmu::workload {

/// The result: from -4095 to -1 an errno.
template <typename... arguments>
s64 system_call(u64 number, arguments... args) {
  static_assert(sizeof...(args) <= 6);
  const u64 a[6] = {(u64)args...};
  s64 result;
  register u64 r10 asm("r10") = a[3];
  register u64 r8 asm("r8") = a[4];
  register u64 r9 asm("r9") = a[5];
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}

/// Prints `what` and the result, and ends the process with status 1.
[[noreturn]] void fail(const char* what, s64 result);

/// The result, unless it is an errno: then it fails.
inline u64 must(const char* what, s64 result) {
  if (result < 0 && result >= -4095) fail(what, result);
  return u64(result);
}

/// Fails unless the result is this errno.
inline void must_be_refused(const char* what, s64 result, s64 errno_expected) {
  if (result != -errno_expected) fail(what, result);
}

[[noreturn]] void exit_process(int status);

}  // namespace pvmmu::workload
