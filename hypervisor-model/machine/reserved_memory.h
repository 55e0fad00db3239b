#pragma once
// Address space that is zero, and takes memory only where it is touched.

#include "proto/abi/types.h"

namespace pvmmu::xen {

class reserved_memory {
 public:
  /// Throws std::system_error where the address space cannot be had.
  explicit reserved_memory(u64 bytes);
  ~reserved_memory();
  reserved_memory(const reserved_memory&) = delete;
  reserved_memory& operator=(const reserved_memory&) = delete;
  void* data() const { return data_; }

 private:
  void* data_;
  u64 bytes_;
};

}  // namespace pvmmu::xen
