#pragma once
// Stores through read-only mappings of L1 tables: Xen emulates them as updates of the entry (xen 4.17
// pv/ro-page-fault.c). Of L1 tables only: a store to any other table stays the guest's page fault.

#include <optional>

#include "hypervisor-model/domain.h"

namespace pvmmu::xen {

/// A store into an L1 table, as the guest's instruction meant it.
struct ptwr_store {
  mfn_t table;
  unsigned offset = 0;  ///< bytes from the table's start
  unsigned bytes = 8;   ///< 1, 2, 4 or 8
  u64 value = 0;
  std::optional<u64> expected;  ///< a compare-and-exchange with this old value
};

enum class ptwr_result {
  okay,
  cmpxchg_failed,  ///< the entry had another value; nothing was written
  unhandleable,    ///< refused, or unaligned: the guest gets its page fault
  retry,           ///< the domain was crashed
};

struct ptwr_answer {
  ptwr_result result;
  u64 old = 0;  ///< what the bytes held before
};

/// Takes the new entry's references, writes it, drops the old one's; no fast path. The table must be an L1 that the
/// current vCPU's domain owns.
ptwr_answer ptwr_emulated_update(machine& m, vcpu& curr, const ptwr_store& store);

}  // namespace pvmmu::xen
