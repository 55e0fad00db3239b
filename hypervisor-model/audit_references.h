#pragma once
// Every reference that memory itself shows, each with who holds it: all tables that hold their entries are read, and
// the vCPUs, the descriptor tables and the grants. No count is read, and nothing of what makes them is used.
//
//   struct counting : reference_visitor {
//     void on_reference(mfn_t mfn, const holder& h) override { total[mfn] += h.general; }
//     …
//   };
//   visit_references(m, counting);                          // what others hold
//   visit_marks(m, mfn, counting);                          // what the frame's own record says of it
//
// `recount` (audit_recount.h) sums them up, `reference_index` (audit_holders.h) lists them by frame.

#include "hypervisor-model/audit.h"

namespace pvmmu::xen {

enum class holder_kind : u8 {
  allocation,       ///< its owner has it: PGC_allocated
  pin,              ///< PGT_pinned
  partial,          ///< a table that is validated or taken down in part holds itself: PGT_partial
  shared_by_xen,    ///< Xen shares it with a guest, and holds its type for good
  table_entry,      ///< slot `slot` of `table`, a table of `level`
  kernel_root,      ///< vCPU `vcpu` of `domid` runs its kernel on it
  user_root,        ///< … and user mode
  gdt,              ///< page `slot` of that vCPU's GDT
  ldt,              ///< page `slot` of that vCPU's LDT, in use
  old_guest_table,  ///< that vCPU is to drop it before it does anything else
  device_grant,     ///< `domid` has mapped grant `slot` of `granter` for devices, and calls that `handle`
  lost,             ///< a reference that Xen has lost track of (xen 4.17 mm.c:1813)
};

/// One holder of a frame: at most one general reference and at most one type reference.
struct holder {
  holder_kind kind{};
  bool general = true;
  bool typed = false;
  u64 type = PGT_none;  ///< which type, where `typed`
  domid_t domid = 0;    ///< the vCPU's, the mapping domain's, or the owner's of the table
  vcpu_id_t vcpu = 0;
  mfn_t table{};  ///< also the table that an old guest table was a linear entry of; 0: none
  u8 level = 0;
  bool linear = false;  ///< `table` is of the frame's own level
  u32 slot = 0;
  pte_t entry = 0;
  domid_t granter = 0;
  u32 handle = 0;
};

class reference_visitor {
 public:
  virtual ~reference_visitor() = default;
  /// `mfn` is on its owner's page list. False: that was told before, and the rest of the list is left out.
  virtual bool on_owned(mfn_t mfn) = 0;
  virtual void on_reference(mfn_t mfn, const holder& h) = 0;
  /// Something is wrong with what was read.
  virtual void on_finding(audit_finding&&) {}
};

/// All references between frames, and those of vCPUs and grants; tables in ascending order.
void visit_references(machine& m, reference_visitor& visitor);

/// The references that the record of `mfn` itself tells of: allocation, pin, partial, shared by Xen.
void visit_marks(machine& m, mfn_t mfn, reference_visitor& visitor);

/// Whether `mfn` is held by Xen for good, as what it shares with guests.
bool is_shared_by_xen(machine& m, mfn_t mfn);

}  // namespace pvmmu::xen
