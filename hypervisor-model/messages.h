#pragma once
// What Xen prints about the MMU, word for word, with the file and line of Debian's 4.17.7. Release builds print
// `get_page_failed`, `l1tf_crash` and `over_allocation` alone; the rest is for debug builds (gdprintk).

#include "hypervisor-model/domain.h"

namespace pvmmu::xen::messages {

/// Which of two places in mm.c prints the same words.
enum class asked_by { get_page, mod_entry };

void get_page_failed(machine& m, const page_info& pg, const domain& d, const domain* owner);
void l1tf_crash(machine& m, const domain& d, unsigned level, pte_t e);

// flags and slots
void bad_flags(machine& m, unsigned level, u64 flags, asked_by who);
void xen_private_slot(machine& m, unsigned level, unsigned slot);
void global_in_kernel(machine& m, pte_t l1e);

// references of entries
void wrong_owner(machine& m, const domain& pg_owner, const domain& l1e_owner, const domain* real_owner);
void could_not_get_writable(machine& m);
void cache_attributes_of_xen_heap(machine& m);
void error_getting_mfn(machine& m, pte_t l1e, const domain& l1e_owner, const domain& pg_owner);
void unprivileged_mmio(machine& m, const domain& d, mfn_t mfn);
void foreign_mmio(machine& m, const domain& caller, mfn_t mfn, const domain& from, const domain& to);
void forcing_read_only(machine& m, const domain& d, mfn_t mfn);
void linear_with_write_perms(machine& m, unsigned level);

// types
void type_count_overflow(machine& m, const page_info& pg);
void bad_type(machine& m, const page_info& pg, u64 type);
void promote_failed(machine& m, unsigned level, long error, unsigned slot);
void error_while_validating(machine& m, const page_info& pg, u64 type);

// calls
void no_page_for_normal_update(machine& m);
void no_page_for_machphys(machine& m);
void own_domid_as_foreign(machine& m);
void unknown_domain(machine& m, domid_t domid);
void error_while_pinning(machine& m, long error, const page_info& pg);
void already_pinned(machine& m, const page_info& pg);
void not_pinned(machine& m, u64 mfn);
void unpin_bad_owner(machine& m, u64 mfn, const domain& d);
void error_installing_baseptr(machine& m, mfn_t mfn);
void error_installing_user_baseptr(machine& m, long error, u64 mfn);
void bad_set_ldt(machine& m, u64 ptr, u32 ents);
void error_clearing(machine& m, u64 mfn);
void error_copying_from(machine& m, u64 mfn);
void error_copying_to(machine& m, u64 mfn);
void multicall_reentry(machine& m);

// memory_op
void over_allocation(machine& m, const domain& d, u64 pages);
void could_not_increase(machine& m, const domain& d, u32 order, u64 done, u64 nr_extents);
void could_not_populate(machine& m, const domain& d, u32 order, u64 done, u64 nr_extents);
void page_number_invalid(machine& m, const domain& d, mfn_t mfn);
void bad_page_free(machine& m, const domain& d, mfn_t mfn);
void bad_steal(machine& m, const domain& d, const page_info& pg);

// write emulation
void ptwr_bad_access(machine& m, u64 cr2, u64 addr, unsigned bytes);
void ptwr_refused(machine& m);

}  // namespace pvmmu::xen::messages
