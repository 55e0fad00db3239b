#pragma once
// What Xen refuses with -EINVAL and without a word, in any build: told to a reason_listener alone, with the file and
// line of Debian's 4.17.7 at which it is decided. Other errors of calls say enough by themselves.

#include "hypervisor-model/domain.h"

namespace pvmmu::xen::unsaid {

// frames and entries
void no_memory(machine& m, mfn_t mfn);
void entry_of_all_ones(machine& m, pte_t l1e);
void linear_of_other_owner(machine& m, mfn_t table);
void linear_chain(machine& m, unsigned level, mfn_t table, mfn_t target);
void linear_not_validated(machine& m, unsigned level, mfn_t target);

// mmu_update and update_va_mapping
void foreign_upper_entry(machine& m, unsigned level, mfn_t table);
void neither_table_nor_writable(machine& m, mfn_t mfn);
void no_vcpu(machine& m, const domain& d);
void no_l1(machine& m, u64 va);
void not_an_l1(machine& m, mfn_t mfn, u64 va);

// descriptors
void gdt_too_long(machine& m, u32 entries);
void bad_descriptor(machine& m, mfn_t mfn, unsigned slot, u64 desc);
void bad_descriptor_update(machine& m, u64 maddr, u64 desc);

}  // namespace pvmmu::xen::unsaid
