#pragma once
// Address space that is zero, and takes memory only where it is touched.

#include <vector>

#include "proto/abi/frame.h"

namespace pvmmu::xen {

class reserved_memory {
 public:
  /// Throws std::system_error where the address space cannot be had.
  explicit reserved_memory(u64 bytes);
  ~reserved_memory();
  reserved_memory(const reserved_memory&) = delete;
  reserved_memory& operator=(const reserved_memory&) = delete;
  void* data() const { return data_; }

  /// The 4 KiB from `number` · 4 KiB on.
  void* page(u64 number) const { return static_cast<char*>(data_) + number * PAGE_SIZE; }
  u64 pages() const { return (bytes_ + PAGE_SIZE - 1) / PAGE_SIZE; }
  /// The pages that may be other than zero, ascending. Throws std::system_error where the system does not tell
  /// (/proc/self/pagemap).
  std::vector<u64> touched_pages() const;

 private:
  void* data_;
  u64 bytes_;
};

}  // namespace pvmmu::xen
