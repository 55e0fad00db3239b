#pragma once
// References to frames: the rules that all the rest serves (xen 4.17 mm.c:2456-3206).
//
//   - Every use of a frame takes a general reference (count_info). A frame without references is free.
//   - A use that depends on what the frame is takes a type reference as well (type_info). While a frame's type count
//     is above 0 it keeps its type; at 0 the next user chooses a new one.
//   - The first reference to a page-table or descriptor type validates the frame's contents, the last one to a table
//     takes it down again; writable frames stay validated at count 0, as there is nothing to check.
//   - So a frame is a page table or writable, never both, and the guest can never write what the processor walks.
//
// Validation and take-down of L2-L4 can be preempted. The frame is then `partial`: it keeps its type with count 1, one
// more general reference, and how far it got.

#include "hypervisor-model/domain.h"
#include "hypervisor-model/outcome.h"

namespace pvmmu::xen {

// How an entry's reference is taken or dropped (xen 4.17 mm.c:1060, asm/mm.h:170).
inline constexpr unsigned PTF_partial_set = 1 << 0;  ///< the entry already holds its general reference
inline constexpr unsigned PTF_preemptible = 1 << 2;
inline constexpr unsigned PTF_defer = 1 << 3;                  ///< leave the drop to put_old_guest_table
inline constexpr unsigned PTF_retain_ref_on_restart = 1 << 4;  ///< keep the general reference with -ERESTART

/// Takes a general reference whoever owns the frame; nullptr, and no reference, if the frame is not in use.
domain* page_get_owner_and_reference(machine& m, page_info& pg);

/// Takes a general reference to a frame of `d`, or says nothing.
bool try_get_page(machine& m, page_info& pg, const domain& d);

/// Takes a general reference to a frame of `d`. False: not in use or not owned by `d` (Xen says so: "Error mfn …").
bool get_page(machine& m, page_info& pg, const domain& d);

/// The same by number; nullptr also for a number beyond memory.
page_info* get_page_from_mfn(machine& m, mfn_t mfn, const domain& d);

/// Drops a general reference; with the last one the frame is free.
void put_page(machine& m, page_info& pg);

/// Takes a type reference (xen 4.17 mm.c:2883). -EINVAL: the frame is something else, or the count would overflow; an
/// errno of an L1 entry where validation met one; -EINTR or -ERESTART: preempted, for `preemptible` L2-L4 only.
outcome get_page_type_preemptible(machine& m, page_info& pg, u64 type, bool preemptible = true);

/// For types that cannot be preempted.
bool get_page_type(machine& m, page_info& pg, u64 type);

/// Drops a type reference (xen 4.17 mm.c:2774). `ptpg` is the table whose entry is dropped, for linear tables.
outcome put_page_type_flags(machine& m, page_info& pg, unsigned flags, page_info* ptpg);

void put_page_type(machine& m, page_info& pg);
void put_page_and_type(machine& m, page_info& pg);
outcome put_page_and_type_preemptible(machine& m, page_info& pg);

/// General and type reference together (xen 4.17 mm.c:1067). On success or where a partial table keeps it, the general
/// reference stays; otherwise both are undone.
outcome get_page_and_type_from_mfn(machine& m, mfn_t mfn, u64 type, const domain& d, unsigned flags);

/// A type reference for as long as an entry of the table is written (xen 4.17 mm.c:2036). False: not validated, or
/// nobody holds the type. Never visible between calls, so no event.
bool page_lock(page_info& pg);
void page_unlock(page_info& pg);

/// Remembers a reference that has to be dropped before the vCPU does anything else.
void defer_old_guest_table(vcpu& v, page_info& pg, page_info* ptpg, bool partial);

/// Drops it. -ERESTART: preempted, call again.
outcome put_old_guest_table(machine& m, vcpu& v);

}  // namespace pvmmu::xen
