// mmu_update for random programs.

#include "tools/conform/generator_program.h"

namespace pvmmu::conform {

using namespace lab;

mmu_update_entry program_maker::update_entry() {
  u32 frame = one_in(12) ? any_frame() : table();
  if (p_.nr_foreign != 0 && one_in(40)) frame = probe::name_foreign + static_cast<u32>(below(p_.nr_foreign));
  const u32 at = slot(frame);
  u32 cmd = MMU_NORMAL_PT_UPDATE;
  if (one_in(3)) cmd = one_of<u32>({MMU_PT_UPDATE_PRESERVE_AD, MMU_PT_UPDATE_PRESERVE_AD, MMU_PT_UPDATE_NO_TRANSLATE});
  if (one_in(20)) cmd = one_in(2) ? u32{MMU_MACHPHYS_UPDATE} : static_cast<u32>(below(8));
  if (one_in(40)) {
    const u64 mfn = one_of<u64>({0x50000, 0xfee00, 0xffffffffff, 0x1000000});
    return {plain(mfn << PAGE_SHIFT | at * u64{8} | cmd), plain(0)};
  }
  return {entry_of(frame, at, cmd), next_value(frame, at)};
}

lab::mmu_update program_maker::mmu_update() {
  if (p_.nr_foreign != 0 && one_in(10)) return foreign_update();
  lab::mmu_update c;
  const u64 n = 1 + below(6);
  for (u64 i = 0; i < n; ++i) c.ureqs.push_back(update_entry());
  c.count = static_cast<u32>(n);
  quirks_of_count(c.count, c.null_list);
  c.pdone = pdone();
  c.foreigndom = foreigndom();
  return c;
}

lab::mmu_update program_maker::foreign_update() {
  lab::mmu_update c;
  const u64 n = 1 + below(3);
  for (u64 i = 0; i < n; ++i) {
    const u32 table = static_cast<u32>(below(p_.nr_foreign));
    const u32 at = static_cast<u32>(below(6));
    const u32 cmd =
        one_of<u32>({MMU_NORMAL_PT_UPDATE, MMU_NORMAL_PT_UPDATE, MMU_PT_UPDATE_PRESERVE_AD, MMU_MACHPHYS_UPDATE});
    const word value = foreign_entry(table == 1 ? 2 : 1);
    c.ureqs.push_back({entry_of(probe::name_foreign + table, at, cmd), value});
  }
  c.count = static_cast<u32>(n);
  c.pdone = pdone();
  const u32 pages = one_of({u32{DOMID_SELF}, u32{probe::foreign_domid}, u32{probe::foreign_domid}, u32{DOMID_IO}});
  c.foreigndom = (u32{probe::foreign_domid} + 1) << 16 | pages;
  return c;
}

}  // namespace pvmmu::conform
