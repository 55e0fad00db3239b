#pragma once
// struct page, and the kernel's page allocator: what the kernel knows about each of its frames.
//
// The frames' contents are in the machine. What is kept here beside Linux's own flags only saves round trips: which
// words of a frame may not be zero, so that clearing it stores just those.

#include <array>
#include <bitset>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "proto/abi/pte.h"

namespace pvmmu::guest {

/// Entries of a table as far as the kernel knows them without a load. Frame and presence of a known entry are as in
/// memory; its flags are as the kernel stored them, without what Xen and the processor add.
struct known_entries {
  std::array<pte_t, entries_per_table> value{};
  std::bitset<entries_per_table> known;
};

struct page {
  bool pinned = false;              ///< PagePinned: Linux's own idea, apart from Xen's _PGT_pinned
  bool save_pinned = false;         ///< PageSavePinned: pinned for a suspend only
  bool locked = false;              ///< of an L1: its lock is held until a queue is sent
  bool anon_exclusive = true;       ///< PageAnonExclusive: fork has not shared it since it was copied or reused
  u32 refs = 0;                     ///< page_count: entries that map it, the page cache, and whoever works on it
  std::optional<pfn_t> folio{};     ///< the first page of the large folio that it is part of
  u32 folio_pages = 1;              ///< of its folio
  std::optional<pfn_t> user_pgd{};  ///< of a kernel pgd (page->private)
  std::bitset<entries_per_table> maybe_nonzero{};
  std::unique_ptr<known_entries> entries{};  ///< of page tables
};

/// Hands out frames, the last freed first, like Linux's per-CPU lists.
class page_allocator {
 public:
  page& operator[](pfn_t pfn) { return pages_[pfn.n]; }

  /// Gives the frames first … end-1 to the allocator.
  void add_range(pfn_t first, pfn_t end);
  /// 2^order adjacent frames, aligned to their size; order is 0 to 9. Their contents are what they are, and the first
  /// has one reference.
  /// Throws guest_stopped (out_of_memory).
  pfn_t alloc_pages(unsigned order = 0);
  void free_pages(pfn_t pfn, unsigned order = 0);
  /// A large folio: 2^order frames as alloc_pages gives them, but with one reference each, and given back one by one.
  pfn_t alloc_folio(unsigned order);
  /// One more user, and one less: the last gives the frame back.
  void get_page(pfn_t pfn) { ++pages_[pfn.n].refs; }
  void put_page(pfn_t pfn, unsigned order = 0);

 private:
  struct range {
    pfn_t next;
    pfn_t end;
  };
  pfn_t take(unsigned order);

  std::unordered_map<u64, page> pages_;
  std::vector<range> ranges_;                ///< never handed out yet, ascending
  std::array<std::vector<pfn_t>, 10> free_;  ///< by order; pieces of a larger one are never made
};

}  // namespace pvmmu::guest
