#pragma once
// A call as the recorder hears it (tools/lab/event_stream.h), as a recording has it: arguments and what they point to
// become one message.

#include <string_view>

#include "recording.pb.h"
#include "tools/lab/event_stream.h"

namespace pvmmu::tools {

/// What a handler was asked: `args` as Xen's function has them.
struct heard_call {
  lab::heard::handler handler;
  std::array<u64, 6> args;
  const lab::heard_memory& memory;
};

/// False: the call is of a kind that no recording holds, because it touches neither tables nor frames (sizes asked for,
/// a grant table's set-up, …). Not for emulated writes.
bool take_call(const heard_call& heard, wire::hypercall& call);
recording::emulated_write take_write(const heard_call& heard);

/// What came back; `asked` as at the call's entry, `heard.memory` as at its return.
void take_outcome(const wire::hypercall& asked, const heard_call& heard, u64 result, wire::call_outcome& outcome);

/// The handler's name without its prefix: "mmu_update".
std::string_view handler_name(lab::heard::handler handler);
/// The handler that Xen calls for a hypercall's number; nothing for those that are not heard.
std::optional<lab::heard::handler> handler_of(u64 hypercall_number);

}  // namespace pvmmu::tools
