#pragma once
// What goes wrong around the real Xen, not in it.

#include <stdexcept>

namespace pvmmu::lab {

/// The lab itself failed: something is not there, or Xen or QEMU did what nobody expected. The text says what is
/// missing and how to get it.
struct lab_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A file or a name that the user gave is not what was expected.
struct lab_input_error : lab_error {
  using lab_error::lab_error;
};

}  // namespace pvmmu::lab
