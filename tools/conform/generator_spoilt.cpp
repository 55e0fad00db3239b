// A chain of tables, L4 to L1, that would be valid but for one entry at its end: every way to ask for it brings that
// entry's errno, whatever the level.

#include <array>

#include "tools/conform/generator_program.h"

namespace pvmmu::conform {
namespace {

using namespace lab;

/// The frames: the chain, a root above it, empty tables that are pinned, and memory.
enum : u32 { chain_l1, chain_l2, chain_l3, chain_l4, root, empty_l1, empty_l2, empty_l3, empty_l4, memory };

}  // namespace

/// A leaf that no table may have: Xen's APIC, a table mapped writable, Xen's page with cache attributes, no frame.
word program_maker::mistake() {
  const u64 flags = PAGE_PRESENT | PAGE_USER;
  switch (below(7)) {
    case 0:
    case 1: return plain(u64{0xfee00} << PAGE_SHIFT | flags);
    case 2:
    case 3: return pte_to(empty_l1, flags | PAGE_RW);
    case 4:
    case 5: return pte_to(probe::name_shared_info, flags | PAGE_PCD | (one_in(2) ? PAGE_RW : 0));
    default: return plain(PTE_ADDR_MASK | flags);
  }
}

/// By a pin, a base pointer, or an entry of a table that is in use, of a frame or of a virtual address.
simple_call program_maker::meet_mistake(const word& leaf) {
  const u32 level = static_cast<u32>(below(4));
  const u64 how = below(4);
  if (how == 0)
    return lab::mmuext_op{.uops = {{.cmd = level, .arg1 = mfn_of_frame(level)}}, .count = 1, .pdone = pdone()};
  if (how == 1) {
    const bool user = one_in(2);
    const u32 cmd = user ? MMUEXT_NEW_USER_BASEPTR : MMUEXT_NEW_BASEPTR;
    return lab::mmuext_op{.uops = {{.cmd = cmd, .arg1 = mfn_of_frame(user ? u32{chain_l4} : u32{root})}}, .count = 1};
  }
  const word value = level == 0 ? leaf : pte_to(level - 1, table_flags());
  if (how == 2 && level == 0) {
    lab::update_va_mapping c{.va = window_va(20), .val = leaf};
    if (one_in(2)) c.otherdomain = one_of<domid_t>({DOMID_SELF, probe::foreign_domid, DOMID_IO});
    return c;
  }
  const u32 cmd = one_of<u32>({MMU_NORMAL_PT_UPDATE, MMU_PT_UPDATE_PRESERVE_AD, MMU_PT_UPDATE_NO_TRANSLATE});
  const u32 at = static_cast<u32>(below(20));
  lab::mmu_update c{.ureqs = {{entry_of(empty_l1 + level, at, cmd), value}}, .count = 1};
  c.pdone = pdone();
  return c;
}

void program_maker::make_spoilt() {
  roles_ = {role::l1, role::l2, role::l3, role::l4, role::root, role::l1, role::l2, role::l3, role::l4, role::data};
  p_.nr_frames = static_cast<u32>(roles_.size());
  fill_root(root);
  const word leaf = mistake();
  const u64 flags = PAGE_PRESENT | PAGE_RW | PAGE_USER;
  const std::array<word, 5> ends = {leaf, pte_to(chain_l1, flags), pte_to(chain_l2, flags), pte_to(chain_l3, flags),
                                    pte_to(chain_l3, flags)};
  for (u32 frame = chain_l1; frame <= root; ++frame) {
    // Late in the L1, which is never preempted; early above it: a true preemption before the failure makes Xen lose a
    // reference (hypervisor-model/validate.cpp note_lost_references), and nobody can say when one comes.
    const u16 at = static_cast<u16>(one_in(2) ? 0 : below(frame == chain_l1 ? 200 : 6));
    // Something good before it, which must be undone.
    const bool before = frame == chain_l1 && at != 0;
    if (before) p_.contents.push_back({.frame = frame, .slot = 0, .nr = at, .value = pte_to(memory, flags)});
    p_.contents.push_back({.frame = frame, .slot = at, .value = ends[frame]});
  }
  for (u32 level = 0; level < 4; ++level)
    p_.calls.push_back(lab::mmuext_op{.uops = {{.cmd = level, .arg1 = mfn_of_frame(empty_l1 + level)}}, .count = 1});
  const u64 n = 3 + below(8);
  for (u64 i = 0; i < n; ++i) std::visit([this](auto c) { p_.calls.push_back(std::move(c)); }, meet_mistake(leaf));
  // The table that was not to be writable is free now, and its mistake none.
  p_.calls.push_back(lab::mmuext_op{.uops = {{.cmd = MMUEXT_UNPIN_TABLE, .arg1 = mfn_of_frame(empty_l1)}}, .count = 1});
  std::visit([this](auto c) { p_.calls.push_back(std::move(c)); }, meet_mistake(leaf));
}

}  // namespace pvmmu::conform
