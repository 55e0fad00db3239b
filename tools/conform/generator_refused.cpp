// Stores that are refused for reasons that chance seldom brings together: a part of an entry that would map a table
// writable, and a writable entry below one that is read-only.

#include "tools/conform/generator_program.h"

namespace pvmmu::conform {
namespace {

using namespace lab;

enum : u32 { mapped_l1, held_l1, root, l3, l2, l1, memory, nr_frames };

constexpr u64 read_only = PAGE_PRESENT | PAGE_USER;
constexpr u64 writable = read_only | PAGE_RW;

lab::mmuext_op one_op(u32 cmd, u32 frame) { return {.uops = {{.cmd = cmd, .arg1 = mfn_of_frame(frame)}}, .count = 1}; }

}  // namespace

void program_maker::make_refused_stores() {
  p_.nr_frames = nr_frames;
  fill_root(root);
  const auto put = [this](u32 frame, u16 slot, const word& value) {
    p_.contents.push_back({.frame = frame, .slot = slot, .value = value});
  };
  const u16 slots = static_cast<u16>(2 + below(6));
  for (u16 slot = 0; slot < slots; ++slot) {
    put(mapped_l1, slot, pte_to(held_l1, read_only));
    put(l1, slot, pte_to(memory, writable));
  }
  put(root, 0, pte_to(l3, writable));
  put(l3, 0, pte_to(l2, writable));
  put(l2, 0, pte_to(l1, read_only));
  p_.calls = {one_op(MMUEXT_PIN_L1_TABLE, held_l1), one_op(MMUEXT_PIN_L1_TABLE, mapped_l1),
              lab::update_va_mapping{.va = window_va(0), .val = pte_to(mapped_l1, read_only), .flags = UVMF_INVLPG},
              one_op(MMUEXT_NEW_BASEPTR, root)};
  using enum probe::access_op;
  for (u16 slot = 0; slot < slots; ++slot) {
    lab::memory_access part{.op = one_of({write, xchg, cmpxchg}), .bytes = 4};
    part.va = window_va(0, slot * sizeof(pte_t));
    part.value = pte_to(held_l1, writable);
    part.expected = pte_to(held_l1, one_in(4) ? writable : read_only | PAGE_GLOBAL);
    p_.calls.push_back(part);
    lab::memory_access below_read_only{.op = one_of({write, xchg, cmpxchg})};
    below_read_only.va = plain(slot * PAGE_SIZE + below(entries_per_table) * sizeof(u64));
    p_.calls.push_back(below_read_only);
  }
}

}  // namespace pvmmu::conform
