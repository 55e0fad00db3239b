#pragma once
// What a guest's side says between two of its calls, for whoever looks at a recording. No part of the machine's state.

#include <string>

#include "proto/abi/frame.h"
#include "proto/abi/types.h"

namespace pvmmu {

enum class note_kind : u8 {
  scenario_step = 1,  ///< one of a scenario's steps begins
  console_line,       ///< the guest's kernel logged a line
  trace_event,        ///< one of its kernel's trace points
  frame_name,         ///< what a scenario calls the frame `mfn`
  interlude,          ///< within a step of a scenario something else comes in between
};

struct note {
  note_kind kind{};
  domid_t domid = 0;
  vcpu_id_t vcpu = 0;
  std::string text{};
  mfn_t mfn{};
};

}  // namespace pvmmu
