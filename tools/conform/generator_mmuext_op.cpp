// mmuext_op for random programs.

#include "tools/conform/generator_program.h"

namespace pvmmu::conform {

using namespace lab;

mmuext_entry program_maker::pin() {
  const u32 frame = own_frame();
  unsigned level = level_of(roles_[frame]);
  if (level == 0 || one_in(8)) level = 1 + static_cast<unsigned>(below(4));
  return {.cmd = MMUEXT_PIN_L1_TABLE + level - 1, .arg1 = mfn_of_frame(one_in(20) ? any_frame() : frame)};
}

mmuext_entry program_maker::page_op() {
  mmuext_entry e{.cmd = one_of<u32>({MMUEXT_CLEAR_PAGE, MMUEXT_COPY_PAGE})};
  e.arg1 = mfn_of_frame(any_frame());
  e.arg2 = mfn_of_frame(any_frame());
  if (one_in(10)) e.arg1 = plain(0xffffffffff);
  if (one_in(10)) e.arg2 = plain(0x50000);
  known_.clear();
  return e;
}

/// What touches no frame: flushes, the LDT, and what Xen does not know.
mmuext_entry program_maker::processor_op() {
  mmuext_entry e{.cmd = 6 + static_cast<u32>(below(17))};
  if (e.cmd == MMUEXT_CLEAR_PAGE || e.cmd == MMUEXT_COPY_PAGE) e.cmd = MMUEXT_SET_LDT;
  e.arg1 =
      one_in(4) ? plain(one_of<u64>({1, u64{1} << 63, 0xffff800000000000})) : window_va(static_cast<u32>(below(4)));
  if (e.cmd == MMUEXT_SET_LDT) e.arg2 = plain(one_in(3) ? 8190 + below(5) : below(600));
  if (e.cmd == MMUEXT_NEW_USER_BASEPTR) e.arg1 = one_in(4) ? plain(0) : mfn_of_frame(frame_of(role::l4));
  if (!one_in(3)) e.vcpumask = below(4);
  return e;
}

mmuext_entry program_maker::any_op() {
  const u64 k = below(16);
  if (k < 6) return pin();
  if (k < 10) return {.cmd = MMUEXT_UNPIN_TABLE, .arg1 = mfn_of_frame(one_in(20) ? any_frame() : table())};
  if (k == 10)
    return {.cmd = MMUEXT_NEW_USER_BASEPTR, .arg1 = mfn_of_frame(one_in(8) ? any_frame() : frame_of(role::l4))};
  if (k == 11) return page_op();
  return processor_op();
}

lab::mmuext_op program_maker::mmuext_op() {
  if (p_.nr_foreign != 0 && one_in(12)) return foreign_op();
  if (one_in(8)) return new_baseptr();
  if (one_in(12)) {
    // What a domain may do to itself alone.
    lab::mmuext_op c{.uops = {processor_op()}, .count = 1, .pdone = pdone()};
    c.foreigndom = one_of({u32{probe::foreign_domid}, u32{DOMID_IO}, u32{DOMID_XEN}});
    return c;
  }
  lab::mmuext_op c;
  const u64 n = 1 + below(3);
  for (u64 i = 0; i < n; ++i) c.uops.push_back(any_op());
  c.count = static_cast<u32>(n);
  quirks_of_count(c.count, c.null_list);
  c.pdone = pdone();
  c.foreigndom = foreigndom();
  return c;
}

lab::mmuext_op program_maker::foreign_op() {
  lab::mmuext_op c;
  const u64 n = 1 + below(3);
  for (u64 i = 0; i < n; ++i) {
    lab::mmuext_entry e{.cmd = one_of<u32>({0, 0, 1, 1, 4, 4, 3, 16, 17})};
    e.arg1 = mfn_of_frame(probe::name_foreign + static_cast<u32>(below(p_.nr_foreign)));
    e.arg2 = mfn_of_frame(probe::name_foreign + static_cast<u32>(below(p_.nr_foreign)));
    c.uops.push_back(e);
  }
  c.count = static_cast<u32>(n);
  c.pdone = pdone();
  c.foreigndom = probe::foreign_domid;
  return c;
}

/// A root, or what can be no L4.
lab::mmuext_op program_maker::new_baseptr() {
  lab::mmuext_entry e{.cmd = MMUEXT_NEW_BASEPTR, .arg1 = mfn_of_frame(frame_of(role::root))};
  if (!deep_ || one_in(6)) {
    e.arg1 = one_of({mfn_of_frame(probe::name_window_l1), mfn_of_frame(probe::name_m2p), plain(0xffffffffff),
                     mfn_of_frame(probe::name_shared_info), plain(0x50000)});
  }
  lab::mmuext_op c{.uops = {e}, .count = 1, .pdone = pdone()};
  if (one_in(6)) c.foreigndom = one_of({u32{probe::foreign_domid}, u32{DOMID_IO}, u32{DOMID_XEN}});
  return c;
}

}  // namespace pvmmu::conform
