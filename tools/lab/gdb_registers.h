#pragma once
// A processor's registers, by the names that the gdb stub gives them.
//
//   const gdb_register_layout layout{{xml}};        // once: what target.xml and the files that it includes say
//   const gdb_registers now{layout, "0000…"};       // each stop: what the stub answers to "g"
//   now["rip"]
//
// QEMU's x86_64: rax … r15, rip, eflags, segments, fs_base, gs_base, k_gs_base, cr0, cr2, cr3, cr4, cr8, efer, and
// those of floating point.

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proto/abi/types.h"

namespace pvmmu::lab {

class gdb_register_layout {
 public:
  /// The texts' registers, in the order of their numbers; those in comments are none. Throws lab_error if there is
  /// no register.
  explicit gdb_register_layout(const std::vector<std::string>& descriptions);

  struct place {
    std::size_t offset;  ///< into the answer, bytes
    std::size_t bytes;
  };
  /// Throws lab_error.
  place find(std::string_view name) const;
  /// Of all registers.
  std::size_t bytes() const { return bytes_; }

 private:
  std::size_t bytes_ = 0;
  std::map<std::string, place, std::less<>> places_;
};

class gdb_registers {
 public:
  /// `hex` as it came; `layout` must live as long. Throws lab_error if they do not fit each other.
  gdb_registers(const gdb_register_layout& layout, std::string hex);
  /// Throws lab_error if the processor has no such register, or it has more than 64 bits.
  u64 operator[](std::string_view name) const;

 private:
  const gdb_register_layout* layout_;
  std::string hex_;
};

}  // namespace pvmmu::lab
