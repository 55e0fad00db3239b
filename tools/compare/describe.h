#pragma once
// Puts the calls of a stream that are in scope into words, and counts what is set aside:
//
//   described_stream real = describe(stream, scope);
//
// The rule. An operation is compared where it touches a table of an address space in scope, loads one or takes the
// place of one that is loaded, or flushes while one is loaded, unless what it flushes is the kernel's addresses. All
// others are set aside, each counted by what it did. So no operation on the tables of an address space in scope is set
// aside; a table belongs to the address space that it is hooked into, before and afterwards as well. Of captures, see
// `scope`: there the process's other addresses are set aside too, until it is taken down.

#include <map>

#include "tools/compare/described_call.h"
#include "tools/compare/scope.h"

namespace pvmmu::compare {

struct described_stream {
  std::vector<described_call> calls;
  u64 operations = 0;                    ///< that are compared
  std::map<std::string, u64> set_aside;  ///< operations, by what they did
  u64 calls_set_aside = 0;               ///< calls of which nothing is compared
  bool ended = false;                    ///< no address space in scope is left
};

/// From behind the mark on, where there is one; of a capture, from the first operation on that concerns its ranges. To
/// the last call that is compared, with which the last process ends: what comes later is not counted either.
described_stream describe(const call_stream& stream, const scope& which);

}  // namespace pvmmu::compare
