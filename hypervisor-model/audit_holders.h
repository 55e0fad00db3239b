#pragma once
// Who holds a frame, by name, and at which virtual addresses an entry stands. Found by reading memory; the counts may
// then be held against it.
//
//   const reference_index index(m);                  // one walk for all frames
//   for (const holder& h : index.holders_of(mfn)) …
//   index.addresses_of(h.table, h.slot, 4)           // where that entry is met, through which L4s

#include <unordered_map>
#include <vector>

#include "hypervisor-model/audit_recount.h"

namespace pvmmu::xen {

/// An entry's place in address spaces.
struct entry_address {
  u64 va = 0;   ///< of the first byte that the entry spans
  mfn_t l4{};   ///< the lowest of the L4s that lead there
  u64 l4s = 1;  ///< how many do
};

class reference_index {
 public:
  explicit reference_index(machine& m);

  /// Marks of the frame's own record first, then entries by table and slot, then all others.
  std::vector<holder> holders_of(mfn_t mfn) const;
  /// At most `limit` addresses, ascending. None: no L4 leads there. Linear entries are not followed.
  std::vector<entry_address> addresses_of(mfn_t table, unsigned slot, std::size_t limit) const;
  /// All frames that somebody owns or refers to, ascending.
  std::vector<mfn_t> frames() const;

 private:
  machine& m_;
  std::unordered_map<mfn_t, std::vector<holder>> holders_;
};

/// Those of one frame, where no more is asked.
std::vector<holder> holders_of(machine& m, mfn_t mfn);

}  // namespace pvmmu::xen
