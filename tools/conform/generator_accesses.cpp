// Loads and stores of random programs: through their window, and through the tables that they have loaded.

#include "tools/conform/generator_program.h"

namespace pvmmu::conform {
namespace {

using namespace lab;

constexpr u32 pages = 4;  ///< of the window that accesses reach

}  // namespace

/// Makes a page of the window lead to a frame: a table read-only, memory either way, sometimes the window's own L1.
lab::update_va_mapping program_maker::map_for_access() {
  lab::update_va_mapping c{.va = window_va(static_cast<u32>(below(pages))), .val = {}, .flags = UVMF_INVLPG};
  const u64 flags = PAGE_PRESENT | PAGE_ACCESSED | (one_in(2) ? PAGE_USER : 0) | (one_in(8) ? PAGE_NX : 0);
  if (one_in(8)) {
    c.val = pte_to(frame_of(role::data), flags | PAGE_RW);
  } else if (one_in(2)) {
    c.val = pte_to(one_in(6) ? u32{probe::name_window_l1} : frame_of(role::l1), flags);
  } else {
    c.val = pte_to(table(), flags);
  }
  return c;
}

/// In the window; or in a user slot, where only a table of the program's can have something.
word program_maker::access_address(u64 part) {
  // From slot 16 on, so that the window's own L1 keeps its pages of accesses, and below what a root must keep.
  const u64 offset = (one_in(3) ? below(8) + 16 : 16 + below(280)) * 8 + part;
  const u64 low = one_in(2) ? below(8) * 8 + part : offset;
  if (!deep_ || one_in(3)) return window_va(static_cast<u32>(below(pages)), offset);
  u64 va = low;
  for (unsigned level = 1; level <= 4; ++level) va |= below(4) * entry_span(level);
  return plain(va);
}

/// An entry that may go to any table that a mapping leads to, or that part of one that names no frame: a part of a
/// frame's number would make it that of another.
word program_maker::access_value(u8 bytes, u64 part) {
  const bool refused = bytes >= 4 && part == 0 && one_in(3);
  if (refused) return pte_to(frame_of(role::l1), PAGE_PRESENT | PAGE_RW);
  if (bytes == 8) return one_in(8) ? plain(0) : leaf();
  if (part == 0) {
    if (bytes == 4) return harmless_leaf();
    return plain(deep_ ? one_of<u64>({0, 2, 6}) : one_of<u64>({0, 1, 3, 5, 0x27, 0x67}));
  }
  const u64 high = one_of<u64>({0, 0, PAGE_NX, PAGE_GUEST_KERNEL, PAGE_AVAIL_HIGH});
  return plain(high >> (part * 8));
}

lab::memory_access program_maker::memory_access() {
  lab::memory_access a{.expected = plain(0)};
  a.op = static_cast<probe::access_op>(one_in(6) ? 0 : 1 + below(3));
  a.bytes = static_cast<u8>(one_in(2) ? 8 : 1 << below(4));
  // Whole entries, their lower halves, or flags.
  u64 part = a.bytes == 8 ? 0 : a.bytes == 2 ? 6 : a.bytes == 4 ? 4 * below(2) : one_of<u64>({0, 6, 7});
  a.va = access_address(part);
  a.value = access_value(a.bytes, part);
  if (one_in(3)) a.expected = harmless_leaf();
  return a;
}

}  // namespace pvmmu::conform
