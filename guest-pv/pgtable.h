#pragma once
// Page tables as memory: the kernel's loads, plain stores and atomic operations on entries. Everything that is not
// paravirtualised happens here; what goes through the hypervisor is in pv_mmu_ops.h.
//
// A plain store to a table that Xen has typed is refused: of an L1 Xen emulates it, of any other table it is a fault.

#include "guest-pv/p2m.h"
#include "guest-pv/page.h"
#include "guest-pv/processor.h"

namespace pvmmu::guest {

/// Where an entry is: what pte_t*, pmd_t* … are in Linux.
struct entry_ref {
  pfn_t table;
  unsigned slot = 0;
  friend bool operator==(entry_ref, entry_ref) = default;
};

inline constexpr u64 PAGE_OFFSET = 0xffff888000000000;                          ///< of the direct map, without KASLR
constexpr u64 va_of(pfn_t pfn) { return PAGE_OFFSET + (pfn.n << PAGE_SHIFT); }  ///< __va

inline constexpr u64 PAGE_KERNEL = PAGE_PRESENT | PAGE_RW | PAGE_ACCESSED | PAGE_DIRTY | PAGE_NX;

class page_tables {
 public:
  page_tables(processor& cpu, page_allocator& pages, const p2m& p2m) : cpu_(cpu), pages_(pages), p2m_(p2m) {}

  /// Until the direct map exists, frames are reached through the builder's mapping.
  void reach_frames_from(u64 va) { base_ = va; }

  /// Frame and presence are exact; of the flags only those are sure that the kernel stored.
  pte_t read(entry_ref e);
  /// The entry as it is in memory, with what Xen and the processor added.
  pte_t load(entry_ref e);
  void native_set(entry_ref e, pte_t value, std::string_view caller);
  /// native_ptep_get_and_clear: an xchg.
  pte_t native_get_and_clear(entry_ref e, std::string_view caller);
  /// native_local_ptep_get_and_clear: a load and a plain store.
  pte_t native_local_get_and_clear(entry_ref e, std::string_view caller);
  /// clear_bit, of a bit of the lowest byte: a locked AND of that byte. On one CPU the lock prefix is patched away, and
  /// Xen sees a plain store.
  void native_clear_low_bit(entry_ref e, u64 bit, bool smp, std::string_view caller);
  /// try_cmpxchg: `change` says what becomes of the entry.
  template <class F>
  void native_update(entry_ref e, F&& change, std::string_view caller) {
    for (pte_t old = load(e);;) {
      const pte_t found = cpu_.cmpxchg(address_of(e), old, change(old), 8, caller);
      if (found == old) return know(e, change(old));
      old = found;
    }
  }

  u64 address_of(entry_ref e) const { return word_va(e.table, e.slot); }
  maddr_t machine_address_of(entry_ref e) const { return mfn_to_maddr(p2m_.pfn_to_mfn(e.table), e.slot * 8); }

  // ---- whole frames, through the direct map
  /// get_zeroed_page.
  pfn_t alloc_zeroed_page(unsigned order = 0);
  void clear_page(pfn_t pfn);
  void copy_page(pfn_t to, pfn_t from);
  u64 load_word(pfn_t pfn, unsigned word) { return cpu_.load(word_va(pfn, word), "copy_from_user"); }
  void store_word(pfn_t pfn, unsigned word, u64 value);
  /// The process or Xen may have stored to this word.
  void touched_by_others(mfn_t mfn, unsigned word);

  // ---- what the hypervisor did
  /// These updates have been asked for, with this result: what they wrote is known now.
  void completed(std::span<const mmu_update_t> updates, long result);

 private:
  u64 word_va(pfn_t pfn, unsigned word) const { return base_ + (pfn.n << PAGE_SHIFT) + word * 8; }
  void know(entry_ref e, pte_t value);
  void forget_all();

  processor& cpu_;
  page_allocator& pages_;
  const p2m& p2m_;
  u64 base_ = PAGE_OFFSET;
  std::vector<pfn_t> known_tables_;
};

}  // namespace pvmmu::guest
