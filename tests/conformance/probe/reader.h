#pragma once
// Records of a program, one after the other.

#include "tests/conformance/probe/console.h"

namespace pvmmu::probe {

class reader {
 public:
  reader(const u8* begin, const u8* end) : at_(begin), end_(end) {}

  /// The next `count` records.
  template <class T>
  const T* next(u64 count = 1) {
    if (count > static_cast<u64>(end_ - at_) / sizeof(T)) lost("the module ends in the middle of a record");
    const T* records = reinterpret_cast<const T*>(at_);
    at_ += count * sizeof(T);
    return records;
  }

 private:
  const u8* at_;
  const u8* end_;
};

}  // namespace pvmmu::probe
