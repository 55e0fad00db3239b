#pragma once
// The guest cannot go on: thrown through its mm to whoever started the operation. The kernel object is of no use
// afterwards, but for what it logged.

#include <stdexcept>
#include <string>

#include "proto/abi/types.h"

namespace pvmmu::guest {

class guest_stopped : public std::runtime_error {
 public:
  enum class reason : u8 {
    domain_crashed,  ///< Xen crashed the domain
    oops,            ///< the kernel took a page fault that it cannot handle
    bug,             ///< a BUG() of Linux: an answer it has no way to live with
    out_of_memory,   ///< no frame is left for the kernel
  };

  guest_stopped(reason why_, const std::string& text) : std::runtime_error(text), why(why_) {}

  reason why;
};

}  // namespace pvmmu::guest
