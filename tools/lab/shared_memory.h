#pragma once
// Memory without a name that a child process can open as a file: the machine's RAM, and what QEMU dumps.

#include "proto/abi/types.h"
#include "tools/lab/unique_fd.h"

namespace pvmmu::lab {

class shared_memory {
 public:
  /// `bytes` of zeros, which take memory only where they are touched. Throws std::system_error.
  shared_memory(const char* name, u64 bytes);
  ~shared_memory();
  shared_memory(const shared_memory&) = delete;
  shared_memory& operator=(const shared_memory&) = delete;

  u8* data() const { return data_; }
  u64 bytes() const { return bytes_; }
  /// Its file name in a child process that inherits it.
  std::string path() const { return fd_.path(); }

 private:
  unique_fd fd_;
  u8* data_;
  u64 bytes_;
};

}  // namespace pvmmu::lab
