// Frames and entries for random programs: right ones, near misses, and what belongs to others.

#include "tools/conform/generator_program.h"

namespace pvmmu::conform {
namespace {

using namespace lab;

constexpr bool probe_needs(u32 slot) { return slot == probe::window_l4_slot || slot == 511; }

}  // namespace

/// Where there is something to change or to unpin.
u32 program_maker::table() { return pinned_.empty() || one_in(6) ? own_frame() : pinned_[below(pinned_.size())]; }

/// A frame of the role, or any.
u32 program_maker::frame_of(role r) {
  const u32 start = own_frame();
  for (u32 i = 0; i < roles_.size(); ++i) {
    const u32 frame = (start + i) % static_cast<u32>(roles_.size());
    if (roles_[frame] == r) return frame;
  }
  return start;
}

/// What an entry of a table of `level` should lead to.
u32 program_maker::frame_for(unsigned level) { return frame_of(static_cast<role>(level - 1)); }

/// For what takes any frame, but not a root, which must keep its contents.
u32 program_maker::any_frame() {
  switch (below(24)) {
    case 0: return probe::name_window_l1;
    case 1: return p_.nr_foreign != 0 ? probe::name_foreign + static_cast<u32>(below(p_.nr_foreign)) : 0;
    case 2: return probe::name_m2p;
    default: break;
  }
  const u32 frame = own_frame();
  return roles_[frame] == role::root ? frame_of(role::data) : frame;
}

u32 program_maker::slot(u32 frame) {
  u32 slot = static_cast<u32>(one_in(8) ? below(entries_per_table) : below(8));
  if (deep_ && one_in(2)) slot = static_cast<u32>(below(4));
  if (one_in(60)) slot = 256 + static_cast<u32>(below(16));
  // What programs reach through their window is chosen by map_for_access.
  if (frame == probe::name_window_l1 && slot < 16) slot += 16;
  return probe_needs(slot) ? slot - 1 : slot;
}

u64 program_maker::table_flags() {
  u64 flags = PAGE_PRESENT;
  if (!one_in(4)) flags |= PAGE_RW;
  if (!one_in(4)) flags |= PAGE_USER;
  if (one_in(2)) flags |= PAGE_ACCESSED;
  if (one_in(3)) flags |= PAGE_DIRTY;
  if (one_in(20)) flags |= one_wrong_flag();
  return flags;
}

u64 program_maker::leaf_flags() {
  u64 flags = PAGE_PRESENT;
  if (one_in(2)) flags |= PAGE_USER;
  if (one_in(2)) flags |= PAGE_ACCESSED;
  if (one_in(3)) flags |= PAGE_DIRTY;
  if (one_in(3)) flags |= PAGE_GUEST_KERNEL;
  if (one_in(12)) flags |= one_of({PAGE_PAT, PAGE_PCD, PAGE_PWT, PAGE_PAT | PAGE_PCD, PAGE_PAT | PAGE_PWT});
  if (one_in(12)) flags |= one_wrong_flag();
  return flags;
}

u64 program_maker::one_wrong_flag() {
  return one_of({PAGE_PSE, PAGE_PWT, PAGE_PCD, PAGE_GLOBAL, u64{0x200}, PAGE_NX, PAGE_GNTTAB, PAGE_GUEST_KERNEL,
                 u64{1} << 58, PAGE_GUEST_KERNEL | PAGE_GLOBAL});
}

/// What is nobody's memory, or Xen's.
word program_maker::outside() {
  const u64 flags = leaf_flags() | (one_in(2) ? PAGE_RW : 0);
  if (one_in(4)) {
    const u32 xens = one_of({u32{probe::name_shared_info}, u32{probe::name_grant_table}});
    return pte_to(xens, one_in(3) ? flags : flags | PAGE_PCD);
  }
  if (one_in(5)) return pte_to(probe::name_m2p, flags);
  const u64 mfn = one_of<u64>({0xfee00,   0xfee00,   0xfec00,      0xfed00,      0xfd000,     0xe0000, 0xc0000, 0x50000,
                               0x100000,  0xa0,      0xb8,         0xf0,         0,           1,       0x9f,    0x40000,
                               0x1000000, 0xfffffff, 0xffffffffff, 0xffffffffff, 0xfffffffffe});
  return plain((mfn << PAGE_SHIFT) | flags);
}

/// Of program frames alone.
word program_maker::harmless_leaf() {
  const u64 flags = leaf_flags();
  if (one_in(3)) return pte_to(own_frame(), flags);
  const u32 frame = one_in(12) ? any_frame() : frame_of(role::data);
  const bool root = frame < roles_.size() && roles_[frame] == role::root;
  // Nobody may write these by accident. The machine-to-phys table is refused writable, and is not to be read.
  const bool read_only = root || frame >= probe::name_foreign || one_in(4);
  return pte_to(frame, flags | (read_only && frame != probe::name_m2p ? 0 : PAGE_RW));
}

word program_maker::leaf() { return !deep_ && one_in(5) ? outside() : harmless_leaf(); }

word program_maker::entry(unsigned level, u32 table) {
  if (one_in(30)) return plain(0);
  if (one_in(40)) return pte_to(own_frame(), below(2) << 7 | PAGE_RW);  // not present
  if (level <= 1) return leaf();
  const u64 flags = table_flags();
  switch (below(16)) {
    case 0: return pte_to(table, one_in(3) ? flags : flags & ~PAGE_RW);
    case 1:
    case 2: return pte_to(frame_for(level + 1), one_in(4) ? flags : flags & ~PAGE_RW);
    case 3: return one_in(2) ? pte_to(any_frame(), flags) : harmless_leaf();
    case 4: return one_in(3) && !deep_ ? outside() : pte_to(frame_for(level), flags);
    default: return pte_to(frame_for(level), flags);
  }
}

/// Present, or 0: see generator_program.h.
word program_maker::foreign_entry(unsigned level) {
  if (one_in(8)) return plain(0);
  if (level == 2) return pte_to(probe::name_foreign, table_flags());
  const u64 flags = leaf_flags() | (one_in(2) ? PAGE_RW : 0);
  if (one_in(6)) return pte_to(own_frame(), flags & ~PAGE_RW);
  if (one_in(8)) return plain(u64{0xfed00} << PAGE_SHIFT | flags);
  return pte_to(probe::name_foreign + static_cast<u32>(below(p_.nr_foreign)), flags);
}

/// For an entry of any frame: often what may be there already with one flag changed, which is where Xen takes its short
/// ways.
word program_maker::next_value(u32 frame, u32 slot) {
  const auto at = known_.find({frame, slot});
  word value;
  if (at != known_.end() && one_in(3)) {
    value = at->second;
    value.value ^= one_of({PAGE_RW, PAGE_USER, PAGE_ACCESSED, PAGE_DIRTY, PAGE_GLOBAL, u64{0x400}, PAGE_NX,
                           PAGE_GUEST_KERNEL, PAGE_PSE, PAGE_PWT, PAGE_GNTTAB, PAGE_PRESENT});
  } else if (frame < roles_.size()) {
    value = entry(level_of(roles_[frame]), frame);
  } else {
    value = harmless_leaf();
  }
  known_[{frame, slot}] = value;
  return value;
}

}  // namespace pvmmu::conform
