// The LDT in random programs: it lies in the part of the window that other calls change too, or in tables that the
// program has loaded, and its pages are good ones, bad ones, tables, memory, nothing; selectors come between all that
// takes its frames or gives them back.

#include "proto/abi/access.h"
#include "tools/conform/generator_program.h"

namespace pvmmu::conform {
namespace {

using namespace lab;

constexpr u32 first_page = 16, pages = 4;  ///< of the window
constexpr u64 ldt_pages = 16;

}  // namespace

/// Mostly the first, so that selectors find something there.
u32 program_maker::ldt_page() { return one_in(2) ? 0 : static_cast<u32>(below(pages)); }

/// Any segment, of ring 0 or 3, present or not; seldom something that Xen looks at more closely.
u64 program_maker::segment() {
  if (one_in(12)) return descriptor();
  const u64 type = (one_in(2) ? one_of<u64>({2, 10}) : below(16)) << 40;
  const u64 ring = one_of<u64>({0, 3, 3, 3, 3}) << 45;
  const u64 present = one_in(2) ? 0 : u64{1} << 47;
  return 0x00cf10000000ffff | type | ring | present;
}

void program_maker::begin_ldt() {
  for (u64 n = 1 + below(pages); n > 0; --n) p_.calls.push_back(map_ldt_page());
  p_.calls.push_back(lab::mmuext_op{.uops = {set_ldt()}, .count = 1});
}

update_va_mapping program_maker::map_ldt_page() {
  lab::update_va_mapping c{.va = window_va(first_page + ldt_page()), .val = {}};
  const u64 flags = leaf_flags() | (one_in(16) ? PAGE_RW : 0);
  const u32 frame = one_in(6) ? any_frame() : frame_of(role::descriptors);
  const bool root = frame < roles_.size() && roles_[frame] == role::root;
  c.val = pte_to(frame, root ? flags & ~PAGE_RW : flags);
  if (one_in(12)) c.val = leaf();
  if (one_in(8)) c.val = outside();
  c.flags = one_of({UVMF_NONE, UVMF_INVLPG});
  return c;
}

mmuext_entry program_maker::set_ldt() {
  mmuext_entry e{.cmd = MMUEXT_SET_LDT, .arg1 = window_va(first_page + (one_in(6) ? 1u : 0u), one_in(16) ? 8 : 0)};
  if (deep_ && one_in(4)) {
    e.arg1 = access_address(0);
    e.arg1.value &= ~PAGE_OFFSET_MASK;
  }
  if (one_in(8)) e.arg1 = plain(one_of<u64>({0x7ffffffff000, 0xfffffffffffff000}));
  e.arg2 = plain(one_in(4) ? below(8200) : one_of<u64>({0, 3, 512, 1024, 2048, 8192, 8192, 8192}));
  return e;
}

memory_access program_maker::load_selector() {
  const u64 page = one_in(16) ? below(ldt_pages) : ldt_page();
  const u64 slot = one_in(16) ? below(entries_per_table) : below(4);
  const u64 ring = below(4);
  return {.op = probe::access_op::load_selector,
          .value = plain((page * entries_per_table + slot) << 3 | selector_ti | ring),
          .expected = plain(0)};
}

/// What must not happen to a descriptor page, or ends its use.
lab::mmuext_entry program_maker::op_on_descriptors() {
  const u32 frame = frame_of(role::descriptors);
  if (one_in(deep_ ? 2 : 8)) {
    const u32 root = deep_ && one_in(4) ? frame_of(role::root) : u32{probe::name_probe_l4};
    return {.cmd = MMUEXT_NEW_BASEPTR, .arg1 = mfn_of_frame(root)};
  }
  if (one_in(2)) return set_ldt();
  mmuext_entry e{.cmd = one_of<u32>({MMUEXT_CLEAR_PAGE, MMUEXT_PIN_L1_TABLE, MMUEXT_PIN_L2_TABLE, MMUEXT_UNPIN_TABLE}),
                 .arg1 = mfn_of_frame(frame)};
  // It would take the last descriptors that selectors can find.
  if (e.cmd == MMUEXT_CLEAR_PAGE && !one_in(4)) e.cmd = MMUEXT_PIN_L1_TABLE;
  return e;
}

call program_maker::ldt_call() {
  const u64 k = below(9);
  if (k < 4) return load_selector();
  if (k < 6) return map_ldt_page();
  if (k < 8) {
    lab::mmuext_op c{.uops = {op_on_descriptors()}, .count = 1};
    if (one_in(10)) c.foreigndom = one_of({u32{probe::foreign_domid}, u32{DOMID_IO}, u32{DOMID_XEN}});
    return c;
  }
  const u32 at = static_cast<u32>(below(4));
  return lab::update_descriptor{.maddr = entry_of(frame_of(role::descriptors), at), .desc = segment()};
}

}  // namespace pvmmu::conform
