#pragma once
// A guest kernel's code, copied from a machine that stands still, and what can be told of it: where it was called from.

#include <array>
#include <map>
#include <optional>
#include <span>

#include "tools/lab/memory_image.h"

namespace pvmmu::lab {

/// An instruction that calls a function.
struct call_site {
  std::optional<u64> target;  ///< nothing: through a register or memory
};

class kernel_code {
 public:
  kernel_code() = default;
  /// All that the kernel may execute of its image and modules: the last 512 GiB of the address space below `l4`.
  kernel_code(const memory_image& memory, mfn_t l4);
  /// For tests: one page.
  void add_page(u64 va, std::span<const u8, PAGE_SIZE> bytes);

  /// The call instruction that ends at this address, if one does.
  std::optional<call_site> call_before(u64 va) const;
  /// Whether the code from `begin` on, up to `end`, has a jump to `target`: a call in a function's last line.
  bool jumps(u64 begin, u64 end, u64 target) const;

 private:
  std::optional<u8> byte(u64 va) const;
  /// Where a distance of 32 bits leads that ends at `va`.
  u64 target_before(u64 va) const;

  std::map<u64, std::array<u8, PAGE_SIZE>> pages_;  ///< by address
};

}  // namespace pvmmu::lab
