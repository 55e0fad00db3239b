#include "tools/conform/generator.h"

namespace pvmmu::conform {
namespace {

using namespace lab;

constexpr u64 lapic = 0xfee00;  ///< MMIO that dom0 may not map
constexpr u32 nr_foreign = 2;
constexpr u32 window_pages = 10;  ///< that programs use of their window

}  // namespace

u32 generator::frame() {
  switch (below(40)) {
    case 0: return probe::name_window_l1;
    case 1: return 1;
    case 2: return probe::name_m2p;
    case 3: return probe::name_foreign + static_cast<u32>(below(nr_foreign));
    default: return static_cast<u32>(below(nr_frames_));
  }
}

u32 generator::slot() { return static_cast<u32>(one_in(3) ? below(entries_per_table) : below(8)); }

u64 generator::flags() {
  u64 flags = PAGE_PRESENT;
  if (one_in(2)) flags |= PAGE_RW;
  if (one_in(2)) flags |= PAGE_USER;
  if (!one_in(3)) flags |= PAGE_ACCESSED | PAGE_DIRTY;
  if (one_in(20)) flags |= u64{1} << below(12);
  if (one_in(30)) flags |= PAGE_NX;
  if (one_in(40)) flags &= ~PAGE_PRESENT;
  return flags;
}

word generator::entry() {
  switch (below(12)) {
    case 0: return plain(0);
    case 1: return plain((lapic << PAGE_SHIFT) | flags());
    case 2: return plain(((0x40000 + below(0xc0000)) << PAGE_SHIFT) | flags());
    default: return pte_to(frame(), flags());
  }
}

done_arg generator::pdone() {
  using enum done_arg::state;
  const u64 k = below(4);
  return {.where = k == 0 ? absent : k == 1 ? unwritable : writable, .value = static_cast<u32>(below(5))};
}

u32 generator::foreigndom() {
  switch (below(12)) {
    case 0: return probe::foreign_domid;
    case 1: return DOMID_IO;
    case 2: return DOMID_XEN;
    case 3: return u32{probe::foreign_domid + 1} << 16 | DOMID_SELF;
    case 4: return static_cast<u32>(below(1 << 20));
    default: return DOMID_SELF;
  }
}

mmu_update generator::mmu_update() {
  lab::mmu_update c;
  const u64 n = 1 + below(6);
  for (u64 i = 0; i < n; ++i) {
    const auto cmd = static_cast<u32>(one_in(4) ? below(8) : 0);
    c.ureqs.push_back({entry_of(frame(), slot(), cmd), entry()});
  }
  c.count = static_cast<u32>(one_in(10) ? n + below(3) : n);
  if (one_in(50)) c.count |= MMU_UPDATE_PREEMPTED;
  c.null_list = one_in(40);
  c.pdone = pdone();
  c.foreigndom = foreigndom();
  return c;
}

mmuext_entry generator::mmuext_entry() {
  auto cmd = static_cast<u32>(one_in(3) ? below(22) : below(5));
  if (cmd == MMUEXT_NEW_BASEPTR) cmd = MMUEXT_UNPIN_TABLE;
  lab::mmuext_entry e{.cmd = cmd, .arg1 = mfn_of_frame(frame()), .arg2 = mfn_of_frame(frame())};
  if (cmd == MMUEXT_SET_LDT) {
    e.arg1 = window_va(static_cast<u32>(below(window_pages)));
    e.arg2 = plain(below(9000));
  }
  if (!one_in(3)) e.vcpumask = below(4);
  return e;
}

mmuext_op generator::mmuext_op() {
  lab::mmuext_op c;
  const u64 n = 1 + below(4);
  for (u64 i = 0; i < n; ++i) c.uops.push_back(mmuext_entry());
  c.count = static_cast<u32>(n);
  c.pdone = pdone();
  c.foreigndom = foreigndom();
  return c;
}

update_va_mapping generator::update_va_mapping() {
  lab::update_va_mapping c;
  c.va = one_in(20) ? plain(random_()) : window_va(static_cast<u32>(below(window_pages)));
  c.val = entry();
  c.flags = below(8);
  c.mask_scope = one_in(5);
  if (one_in(2)) c.vcpumask = 1;
  if (one_in(6)) c.otherdomain = static_cast<domid_t>(one_in(3) ? below(65536) : probe::foreign_domid);
  return c;
}

set_gdt generator::set_gdt() {
  lab::set_gdt c;
  const u64 n = 1 + below(3);
  for (u64 i = 0; i < n; ++i) c.frame_list.push_back(mfn_of_frame(frame()));
  c.entries = static_cast<u32>(n * 512);
  return c;
}

simple_call generator::simple_call() {
  switch (below(10)) {
    case 0:
    case 1:
    case 2:
    case 3: return mmu_update();
    case 4:
    case 5:
    case 6: return mmuext_op();
    case 7: return update_va_mapping();
    case 8: return set_gdt();
    default: break;
  }
  if (one_in(2)) return vm_assist{static_cast<u32>(below(2)), static_cast<u32>(below(6))};
  const word maddr{.value = below(512) * 8, .kind = word_kind::maddr, .index = frame()};
  return update_descriptor{maddr, random_()};
}

multicall generator::multicall() {
  lab::multicall c;
  const u64 n = 1 + below(5);
  for (u64 i = 0; i < n; ++i) c.entries.push_back(simple_call());
  c.nr_calls = static_cast<u32>(n);
  return c;
}

memory_access generator::memory_access() {
  lab::memory_access a;
  a.op = static_cast<probe::access_op>(below(4));
  a.bytes = static_cast<u8>(1 << below(4));
  // Aligned: QEMU reports the fault of an unaligned xchg as that of a read.
  const u64 offset = one_in(8) ? below(PAGE_SIZE) / a.bytes * a.bytes : below(64) * 8;
  a.va = window_va(static_cast<u32>(below(window_pages)), offset);
  a.value = entry();
  a.expected = entry();
  return a;
}

call generator::call() {
  if (one_in(8)) return multicall();
  if (one_in(4)) return memory_access();
  return std::visit([](auto&& c) -> lab::call { return std::move(c); }, simple_call());
}

void generator::fill(program& p) {
  const u64 n = below(12);
  for (u64 i = 0; i < n; ++i)
    p.contents.push_back(
        {.frame = static_cast<u32>(below(nr_frames_)), .slot = static_cast<u16>(slot()), .value = entry()});
}

program generator::next() {
  nr_frames_ = 4 + static_cast<u32>(below(6));
  program p{.nr_frames = nr_frames_, .nr_untouched = static_cast<u32>(below(2)), .nr_foreign = nr_foreign};
  fill(p);
  std::erase_if(p.contents, [&](const content& c) { return c.frame >= nr_frames_ - p.nr_untouched; });
  const u64 n = 5 + below(20);
  for (u64 i = 0; i < n; ++i) p.calls.push_back(call());
  return p;
}

}  // namespace pvmmu::conform
