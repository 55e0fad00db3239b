#pragma once
// Bytes at Xen's virtual addresses, through QEMU's monitor. For a machine that stands still.

#include <cstring>
#include <type_traits>
#include <vector>

#include "tools/lab/machine_in_qemu.h"

namespace pvmmu::lab {

class xen_memory {
 public:
  /// `dump` must be a memory that QEMU has inherited. It bounds what one read can bring.
  xen_memory(machine_in_qemu& machine, shared_memory& dump) : machine_(machine), dump_(dump) {}

  /// Stops the machine where Xen's memory can be seen: not in the guest's user mode, whose tables lack it under XPTI.
  /// Throws lab_error if that does not happen soon.
  void stop_where_visible(u64 va);

  /// Throws lab_error for addresses where nothing is mapped.
  const u8* read(u64 va, u64 bytes);
  template <class T>
  T get(u64 va) {
    static_assert(std::is_trivially_copyable_v<T>);
    T value;
    std::memcpy(&value, read(va, sizeof value), sizeof value);
    return value;
  }

 private:
  machine_in_qemu& machine_;
  shared_memory& dump_;
};

}  // namespace pvmmu::lab
