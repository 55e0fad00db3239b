#pragma once
// The kernel functions that led to a call, from what lay on the guest's stack: a word is a return address if the
// instruction before it is a call, and belongs to the chain if that call leads to the function before it in the chain,
// by itself or through a function that ends with a jump to it.

#include <string>
#include <vector>

#include "tools/lab/event_stream.h"
#include "tools/lab/kernel_code.h"
#include "tools/lab/kernel_symbols.h"

namespace pvmmu::tools {

class caller_finder {
 public:
  caller_finder(lab::kernel_symbols symbols, lab::kernel_code code)
      : symbols_(std::move(symbols)), code_(std::move(code)) {}

  /// Innermost first; without the stub that leads into the hypervisor. Empty without symbols.
  std::vector<std::string> operator()(const lab::heard_entry& entry) const;

 private:
  struct found_frame {
    std::size_t next = 0;                        ///< index behind the return address
    const lab::kernel_function* tail = nullptr;  ///< that was called, and jumped to the inner one
  };
  /// The frame, from `at` on, that called `inner`.
  std::optional<found_frame> find_return(std::span<const u64> stack, std::size_t at, u64 inner) const;

  lab::kernel_symbols symbols_;
  lab::kernel_code code_;
};

}  // namespace pvmmu::tools
