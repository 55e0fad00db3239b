#pragma once
// What a vCPU's processor remembers of translations, on machines with TLBs (machine_config::tlb), where a flush that is
// missing is seen. On others every access walks the tables.
//
//   if (const tlb_entry* known = tlb_find(v.tlb, root, va)) …      // no walk
//   tlb_flush(m, v);
//
// It is as eager as a processor may be (Intel SDM vol. 3A, 4.10):
//   1. What an access used is remembered: the frame, and the rights that all levels give (4.10.2.2). Absent entries
//      are not, nor those without the accessed bit (4.10.2.3).
//   2. After a flush it looks at once for what it knew, as speculation may at any time (4.10.2.3). So a flush helps
//      if it comes after the entry was written, not before.
//   3. A page fault makes it forget the page (4.10.4.1).
// Translations of different roots are kept apart, as PCIDs do.

#include <vector>

#include "proto/abi/frame.h"

namespace pvmmu::xen {

class machine;
struct vcpu;

struct tlb_entry {
  mfn_t root{};  ///< the L4 that the walk began with
  u64 page = 0;  ///< va >> PAGE_SHIFT
  mfn_t frame{};
  bool writable = false;
  bool user = false;
  bool dirty = false;  ///< a store need not set the dirty bit any more
  friend bool operator==(const tlb_entry&, const tlb_entry&) = default;
};

/// The longest known first.
using tlb_entries = std::vector<tlb_entry>;

/// When one more comes, the longest known goes.
inline constexpr std::size_t tlb_capacity = 64;

const tlb_entry* tlb_find(const tlb_entries& known, mfn_t root, u64 va);

/// Replaces what is known of the page under that root.
void tlb_remember(tlb_entries& known, const tlb_entry& entry);

/// Of the page of `va`, under every root.
void tlb_forget(tlb_entries& known, u64 va);

/// A flush of everything; what belongs to no root that is loaded is gone for good.
void tlb_flush(const machine& m, vcpu& v);

/// A flush of the page of `va` alone.
void tlb_flush_one(const machine& m, vcpu& v, u64 va);

}  // namespace pvmmu::xen
