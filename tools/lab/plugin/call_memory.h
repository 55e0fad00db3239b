#pragma once
// The memory that a call's arguments point to: what the guest asks with, and where Xen writes what came of it.

#include "tools/lab/plugin/event_buffer.h"

namespace pvmmu::lab::plugin {

/// Arguments as of a handler's entry.
using call_args = std::array<std::uint64_t, 6>;

/// What is to be known at the call's entry.
void add_asked_memory(const processor& cpu, heard::handler handler, const call_args& args, event_buffer& event);
/// What is to be known at its return.
void add_written_memory(const processor& cpu, heard::handler handler, const call_args& args, event_buffer& event);

}  // namespace pvmmu::lab::plugin
