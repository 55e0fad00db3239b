// What mmu_update and mmuext_op have in common, for random programs: how many entries, whose frames, what is told.

#include "tools/conform/generator_program.h"

namespace pvmmu::conform {
namespace {

using namespace lab;

constexpr u32 tables_of(domid_t domid) { return (u32{domid} + 1) << 16; }

}  // namespace

done_arg program_maker::pdone() {
  using enum done_arg::state;
  const u64 k = below(5);
  return {.where = k == 0 ? absent : k == 1 ? unwritable : writable, .value = static_cast<u32>(below(5))};
}

/// Never the foreign domain's tables: those have their own calls.
u32 program_maker::foreigndom() {
  if (!one_in(8)) return DOMID_SELF;
  return one_of({u32{probe::foreign_domid}, u32{DOMID_IO}, u32{DOMID_XEN}, u32{0}, u32{5}, tables_of(0) | DOMID_SELF,
                 tables_of(77) | DOMID_SELF, tables_of(DOMID_IO) | DOMID_SELF, tables_of(0) | probe::foreign_domid,
                 u32{0x7fff}});
}

void program_maker::quirks_of_count(u32& count, bool& null_list) {
  switch (below(60)) {
    case 0: count = 0; break;
    case 1:
    case 2: count += 1 + static_cast<u32>(below(2)); break;
    case 3: count |= MMU_UPDATE_PREEMPTED; break;
    case 4: null_list = !deep_; break;
    case 5:
      null_list = true;
      count = MMU_UPDATE_PREEMPTED;
      break;
    default: break;
  }
}

}  // namespace pvmmu::conform
