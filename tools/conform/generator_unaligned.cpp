// Accesses that are not aligned, within a page and over its end, where the next page may be anything: memory, a table
// mapped read-only, nothing.
//
// What they store are no entries, so they go to frames that no table leads to; into a table Xen lets none of them.

#include "tools/conform/generator_program.h"

namespace pvmmu::conform {
namespace {

using namespace lab;

enum : u32 { first_l1, second_l1, memory, more_memory, nr_frames };

constexpr u64 read_only = PAGE_PRESENT | PAGE_USER;
constexpr u32 pages = 6;

}  // namespace

/// A page of the window: which of the two a store meets first is half of what matters.
lab::update_va_mapping program_maker::map_page(u32 page) {
  const word value = one_of({plain(0), pte_to(first_l1, read_only), pte_to(second_l1, read_only),
                             pte_to(memory, read_only | PAGE_RW), pte_to(more_memory, read_only | PAGE_RW),
                             pte_to(memory, read_only | PAGE_RW), pte_to(more_memory, read_only)});
  exchangeable_.resize(pages);
  exchangeable_[page] = value.value != 0 && ((value.value & PAGE_RW) != 0 || value.index <= second_l1);
  return {.va = window_va(page), .val = value, .flags = UVMF_INVLPG};
}

lab::memory_access program_maker::unaligned_access() {
  using enum probe::access_op;
  lab::memory_access a{.op = one_of({read, write, write}), .bytes = one_of<u8>({2, 4, 8, 8})};
  a.value = plain(one_in(3) ? 0 : random_());
  const u32 page = static_cast<u32>(below(pages));
  if (one_in(2)) {
    a.va = window_va(page, PAGE_SIZE - 1 - below(a.bytes - u64{1}));
    return a;
  }
  const u64 word = one_of<u64>({0, 1, 2, entries_per_table - 2});
  a.va = window_va(page, word * sizeof(u64) + 1 + 2 * below(4));
  // Under QEMU a locked one that is not aligned reads first, and it shows where the store is then refused.
  if (exchangeable_[page] && one_in(2)) a.op = one_of({xchg, cmpxchg});
  return a;
}

void program_maker::make_unaligned() {
  p_.nr_frames = nr_frames;
  for (const u32 table : {first_l1, second_l1}) {
    for (const u16 slot : {u16{0}, u16{1}, u16{entries_per_table - 1}})
      p_.contents.push_back({.frame = table, .slot = slot, .value = pte_to(memory, one_in(2) ? read_only : 0)});
    p_.calls.push_back(lab::mmuext_op{.uops = {{.cmd = MMUEXT_PIN_L1_TABLE, .arg1 = mfn_of_frame(table)}}, .count = 1});
  }
  for (u32 page = 0; page < pages; ++page) p_.calls.push_back(map_page(page));
  const u64 n = 6 + below(10);
  for (u64 i = 0; i < n; ++i) {
    if (one_in(6)) p_.calls.push_back(map_page(static_cast<u32>(below(pages))));
    p_.calls.push_back(unaligned_access());
  }
}

}  // namespace pvmmu::conform
