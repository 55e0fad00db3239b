#pragma once
// x86-64 page-table entries as Xen PV guests see them.
//
//   63  62      52 51                              12 11   9 8 7 6 5 4 3 2 1 0
//  +--+-----------+----------------------------------+------+-+-+-+-+-+-+-+-+-+
//  |NX| available |              mfn                 | avl  |G|S|D|A|C|T|U|W|P|    S: PSE (L2, L3) or PAT (L1)
//  +--+-----------+----------------------------------+------+-+-+-+-+-+-+-+-+-+    C: PCD  T: PWT
//
// Xen writes an entry's flags as a 24-bit number: bits 63-52 above bits 11-0 (`pte_flags`).

#include "proto/abi/frame.h"

namespace pvmmu {

using pte_t = u64;

inline constexpr u64 PAGE_PRESENT = 0x001;
inline constexpr u64 PAGE_RW = 0x002;
inline constexpr u64 PAGE_USER = 0x004;
inline constexpr u64 PAGE_PWT = 0x008;
inline constexpr u64 PAGE_PCD = 0x010;
inline constexpr u64 PAGE_ACCESSED = 0x020;
inline constexpr u64 PAGE_DIRTY = 0x040;
inline constexpr u64 PAGE_PSE = 0x080;
inline constexpr u64 PAGE_PAT = 0x080;
inline constexpr u64 PAGE_GLOBAL = 0x100;
inline constexpr u64 PAGE_AVAIL = 0xe00;
inline constexpr u64 PAGE_GUEST_KERNEL = u64{1} << 52;
inline constexpr u64 PAGE_GNTTAB = u64{1} << 62;
inline constexpr u64 PAGE_NX = u64{1} << 63;
inline constexpr u64 PAGE_AVAIL_HIGH = u64{0x7ff} << 52;

inline constexpr u64 PTE_ADDR_MASK = 0x000ffffffffff000;
inline constexpr unsigned entries_per_table = 512;

constexpr mfn_t pte_mfn(pte_t e) { return {(e & PTE_ADDR_MASK) >> PAGE_SHIFT}; }
constexpr pte_t make_pte(mfn_t mfn, u64 flags) { return ((mfn.n << PAGE_SHIFT) & PTE_ADDR_MASK) | flags; }
constexpr bool present(pte_t e) { return (e & PAGE_PRESENT) != 0; }

/// Xen's 24-bit form of the flags, as its messages print them.
constexpr u32 pte_flags(pte_t e) { return static_cast<u32>(((e >> 40) & 0xfff000) | (e & 0xfff)); }

/// The slot that a virtual address uses in a table of `level` 1 to 4.
constexpr unsigned table_slot(u64 va, unsigned level) {
  return static_cast<unsigned>(va >> (PAGE_SHIFT + 9 * (level - 1))) & (entries_per_table - 1);
}

/// Bytes that one entry of a table of `level` spans.
constexpr u64 entry_span(unsigned level) { return u64{1} << (PAGE_SHIFT + 9 * (level - 1)); }

/// L4 slots that belong to Xen (xen 4.17 config.h:114-156).
inline constexpr unsigned first_xen_slot = 256;
inline constexpr unsigned last_xen_slot = 271;
constexpr bool is_guest_l4_slot(unsigned slot) { return slot < first_xen_slot || slot > last_xen_slot; }

/// Whether bits 63 to 47 are all alike: the processor takes no other address.
constexpr bool is_canonical(u64 va) { return va + (u64{1} << 47) < u64{1} << 48; }

/// Whether a guest may name this address: canonical and outside Xen's slots (xen 4.17 asm/x86_64/uaccess.h __addr_ok).
constexpr bool addr_ok(u64 va) { return va < (u64{1} << 47) || va >= 0xffff880000000000; }

}  // namespace pvmmu
