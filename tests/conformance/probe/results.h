#pragma once
// What the programs answered, in memory for the host to read.

#include "tests/conformance/probe/console.h"
#include "tests/conformance/probe/program.h"

namespace pvmmu::probe {

class results {
 public:
  results();
  results_header& header() { return *header_; }

  /// Room for so many records, zeroed, at the end.
  template <class T>
  T* append(u64 count = 1) {
    return static_cast<T*>(append_bytes(count * sizeof(T)));
  }
  /// The program that was begun last has ended.
  void commit();
  /// Where the next record goes.
  const u8* end() const { return reinterpret_cast<const u8*>(header_) + used_; }

 private:
  void* append_bytes(u64 bytes);
  results_header* header_;
  u64 used_ = sizeof(results_header);
};

}  // namespace pvmmu::probe
