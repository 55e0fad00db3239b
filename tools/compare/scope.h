#pragma once
// Which address spaces a comparison is about, and from which call on.
//
// A recorded workload maps and writes one page at `mark_va` before it begins: every address space that maps this page
// at some time is in scope from its first table on, so children by fork are, and programs that map it again after an
// exec. A capture has no mark. There an address space is in scope that maps one of the scenario's ranges, and of it
// only what concerns these ranges, until it is taken down: then all of it is.

#include <map>
#include <set>
#include <span>

#include "tools/compare/call_stream.h"
#include "tools/compare/page_table_view.h"

namespace pvmmu::compare {

inline constexpr u64 mark_va = 0x100000000000;

/// [start, end) in bytes.
struct va_range {
  u64 start = 0;
  u64 end = 0;
  bool intersects(u64 from, u64 to) const { return start < to && from < end; }
};

struct scope {
  std::set<life_t> mms;  ///< lives of kernel pgds
  /// Where each table of theirs was hooked in first: before that it is made ready.
  std::map<life_t, table_place> first_places;
  std::vector<va_range> ranges;          ///< of a capture; empty: all addresses
  std::optional<std::size_t> marked_by;  ///< the call that mapped the mark first; of a recording with a mark

  bool contains(const table_place& place) const { return mms.contains(place.mm); }
  /// Whether [start, end) is within what is compared.
  bool concerns(u64 start, u64 end) const;
};

/// Of a recording with a mark.
scope find_marked(const call_stream& stream);
/// Of a capture of a program that works in `ranges`.
scope find_users_of(const call_stream& stream, std::vector<va_range> ranges);

}  // namespace pvmmu::compare
