#pragma once
// One frame's record, as far as a guest's side may look at it.

#include <optional>

#include "proto/abi/types.h"

namespace pvmmu {

struct frame_state {
  u64 count_info = 0;
  u64 type_info = 0;
  std::optional<domid_t> owner;  ///< nothing: nobody
  friend bool operator==(const frame_state&, const frame_state&) = default;
};

}  // namespace pvmmu
