// The other calls of random programs.

#include "tools/conform/generator_program.h"

namespace pvmmu::conform {
namespace {

using namespace lab;

constexpr u32 last_window_pages = 16;  ///< of those that no access reaches: from here on

}  // namespace

lab::update_va_mapping program_maker::update_va_mapping() {
  lab::update_va_mapping c{.va = {}, .val = {}};
  const u32 page = last_window_pages + static_cast<u32>(below(8));
  c.va = window_va(page);
  if (one_in(16)) c.va = window_va(600);
  if (one_in(16)) c.va = plain(one_of<u64>({0x1000, u64{1} << 63, 0xffff800000000000, 0xffff900000000000}));
  c.val = one_in(4) ? outside() : next_value(probe::name_window_l1, page);
  if (one_in(12)) c.val = pte_to(frame_of(role::l1), PAGE_PRESENT | PAGE_RW);
  c.flags = below(8);
  c.mask_scope = one_in(5);
  if (one_in(2)) c.vcpumask = below(3);
  if (one_in(4)) {
    c.otherdomain = one_of<domid_t>(
        {probe::foreign_domid, probe::foreign_domid, probe::foreign_domid, DOMID_IO, DOMID_XEN, DOMID_SELF, 0, 5});
    if (p_.nr_foreign != 0 && !one_in(3)) c.val = foreign_entry(1);
    if (one_in(6)) {
      c.mask_scope = true;
      c.vcpumask.reset();
    }
    if (c.otherdomain == DOMID_XEN) c.val = pte_to(probe::name_m2p, leaf_flags() | (one_in(2) ? PAGE_PCD : 0));
  }
  return c;
}

lab::set_gdt program_maker::set_gdt() {
  lab::set_gdt c;
  const u64 n = one_in(12) ? 14 : below(3);
  for (u64 i = 0; i < n; ++i) {
    const u32 frame = one_in(3) ? any_frame() : frame_of(role::descriptors);
    c.frame_list.push_back(mfn_of_frame(frame < roles_.size() && roles_[frame] == role::root ? 0 : frame));
  }
  c.entries = static_cast<u32>(n * 512 - (n != 0 ? below(512) : 0));
  if (one_in(10)) c.entries += 512 * static_cast<u32>(1 + below(3));
  c.null_list = !deep_ && one_in(20);
  return c;
}

/// Data and code segments, gates, things that Xen refuses, and noise.
u64 program_maker::descriptor() {
  const u64 base = one_of<u64>({0, 0x00cf9a000000ffff, 0x00cff2000000ffff, 0x0000ec000008e000, 0x0000ec00e0330000,
                                0x00008c0000000000, 0x0000890000000000, 0x0000ec00e02b0000, 0x0000ec0000070000});
  if (one_in(4)) return base ^ u64 { 1 } << below(64);
  return one_in(12) ? random_() : base;
}

lab::update_descriptor program_maker::update_descriptor() {
  const u32 frame = one_in(3) ? any_frame() : frame_of(role::descriptors);
  const u32 at = slot(frame);
  lab::update_descriptor c{.maddr = entry_of(frame, at, one_in(16) ? 4 : 0)};
  if (one_in(20)) c.maddr = plain(u64{0x50000} << PAGE_SHIFT);
  c.desc = descriptor();
  return c;
}

lab::vm_assist program_maker::vm_assist() {
  lab::vm_assist c;
  c.cmd = static_cast<u32>(one_in(6) ? below(4) : below(2));
  c.type =
      one_in(3) ? static_cast<u32>(below(70)) : one_of<u32>({VMASST_TYPE_writable_pagetables, VMASST_TYPE_m2p_strict});
  return c;
}

/// Numbers that Xen 4.17 does not serve, as far as its hypercall page reaches.
raw_call program_maker::unknown_call() { return {.op = one_of<u64>({11, 38, 43, 56, 63, 64, 100, 127})}; }

/// The lower half is what a multicall returns.
iret program_maker::iret() { return {.rax = one_of<u64>({0, 0, 0x100000000, 0x7000000000000001})}; }

simple_call program_maker::simple_call() {
  const u64 k = below(24);
  if (k < 10) return mmu_update();
  if (k < 17) return mmuext_op();
  if (k < 20) return update_va_mapping();
  if (k == 20) return set_gdt();
  if (k == 21) return update_descriptor();
  if (k == 22) return vm_assist();
  if (one_in(3)) return unknown_call();
  return update_va_mapping();
}

lab::multicall program_maker::multicall() {
  lab::multicall c;
  const u64 n = below(5);
  bool takes = false;  // one entry may: handed_out.h
  for (u64 i = 0; i < n; ++i) {
    if (one_in(10)) {
      c.entries.push_back(raw_call{.op = HYPERVISOR_multicall});
    } else if (one_in(30)) {
      c.entries.push_back(iret());
    } else if (memory_ != memory_of::nobody && one_in(3)) {
      c.entries.push_back(takes ? give_back() : memory_op(false));
      takes |= (std::get<lab::memory_op>(c.entries.back()).cmd & MEMOP_CMD_MASK) != XENMEM_decrease_reservation;
    } else {
      c.entries.push_back(simple_call());
    }
  }
  c.nr_calls = static_cast<u32>(n);
  if (one_in(10)) ++c.nr_calls;
  if (!deep_ && one_in(30)) c = {.entries = {}, .nr_calls = 1, .null_list = true};
  return c;
}

}  // namespace pvmmu::conform
