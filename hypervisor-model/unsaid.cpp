#include "hypervisor-model/unsaid.h"

namespace pvmmu::xen::unsaid {
namespace {

constexpr std::string_view mm_c = "arch/x86/mm.c";
constexpr std::string_view mm_h = "arch/x86/include/asm/mm.h";
constexpr std::string_view descriptor_tables_c = "arch/x86/pv/descriptor-tables.c";

}  // namespace

void no_memory(machine& m, mfn_t mfn) { m.unsaid({mm_h, 414}, "mfn {:05x} is no memory", mfn.n); }

void entry_of_all_ones(machine& m, pte_t l1e) { m.unsaid({mm_c, 899}, "L1 entry {:016x} names no frame", l1e); }

void linear_of_other_owner(machine& m, mfn_t table) {
  m.unsaid({mm_c, 707}, "mfn {:05x}, which holds the linear entry, is another domain's", table.n);
}

void linear_chain(machine& m, unsigned level, mfn_t table, mfn_t target) {
  m.unsaid({mm_c, 722}, "L{} mfn {:05x} may not hold L{} mfn {:05x}: one of them is in a linear relation already",
           level, table.n, level, target.n);
}

void linear_not_validated(machine& m, unsigned level, mfn_t target) {
  m.unsaid({mm_c, 736}, "mfn {:05x} is no validated L{}", target.n, level);
}

void foreign_upper_entry(machine& m, unsigned level, mfn_t table) {
  static constexpr unsigned lines[] = {4140, 4149, 4158};
  m.unsaid({mm_c, lines[level - 2]}, "L{} mfn {:05x} may hold tables of its owner alone", level, table.n);
}

void neither_table_nor_writable(machine& m, mfn_t mfn) {
  m.unsaid({mm_c, 4132}, "mfn {:05x} is in use, but neither as a table nor as writable memory", mfn.n);
}

void no_vcpu(machine& m, const domain& d) { m.unsaid({mm_c, 4038}, "d{} has no vCPU", d.domid); }

void no_l1(machine& m, u64 va) { m.unsaid({mm_c, 4483}, "no L1 for va {:#x} in the kernel's tables", va); }

void not_an_l1(machine& m, mfn_t mfn, u64 va) {
  m.unsaid({mm_c, 4494}, "mfn {:05x}, which the kernel's tables lead to for va {:#x}, is no L1", mfn.n, va);
}

void gdt_too_long(machine& m, u32 entries) { m.unsaid({descriptor_tables_c, 93}, "a GDT of {} entries", entries); }

void bad_descriptor(machine& m, mfn_t mfn, unsigned slot, u64 desc) {
  m.unsaid({descriptor_tables_c, 299}, "mfn {:05x} slot {:#x}: descriptor {:016x}", mfn.n, slot, desc);
}

void bad_descriptor_update(machine& m, u64 maddr, u64 desc) {
  m.unsaid({descriptor_tables_c, 312}, "descriptor {:016x} at {:#x}", desc, maddr);
}

}  // namespace pvmmu::xen::unsaid
