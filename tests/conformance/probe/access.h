#pragma once
// Loads and stores that may fault: the exception is caught, reported, and the probe goes on.

#include "tests/conformance/probe/program.h"

namespace pvmmu::probe {

/// Tells Xen where exceptions and events go.
void catch_exceptions();

struct access {
  access_op op;
  u64 bytes;
  u64 va;
  u64 value;
  u64 expected;
};

/// Fills result (what was there), vector, error_code and cr2.
call_result perform(const access& a);

}  // namespace pvmmu::probe
