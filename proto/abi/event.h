#pragma once
// Every change of the hypervisor's state is an event, and so is what it prints and flushes. Reports, recordings and
// pictures are made from events alone. With no listener an event costs a test of a pointer.

#include <string_view>

#include "proto/abi/frame.h"

namespace pvmmu {

enum class event_kind : u8 {
  call_begin,    ///< a piece of a hypercall starts: value = its number
  call_end,      ///< … and ends: value = its result
  entry,         ///< entry `slot` of the innermost call is being handled
  count_info,    ///< mfn's count_info: old → value
  type_info,     ///< mfn's type_info: old → value
  linear_count,  ///< mfn's linear_pt_count (as u16): old → value
  pte,           ///< entry `slot` of table mfn: old → value
  m2p,           ///< machine-to-phys of mfn: old → value
  validated,     ///< entries of mfn passed as a table of level `slot`: all, or until preempted or refused; value = how
                 ///< many took a reference
  devalidated,   ///< table mfn was taken down from level `slot`; value = entries whose reference was dropped
  flush,         ///< TLB flush: value = set of vCPUs, old = `flush_reason`, slot = 1 if of one page only, number mfn.n
  cr3,           ///< vCPU `slot` loads mfn: old → value (mfns); kernel table
  cr3_user,      ///< the same for the user table
  continuation,  ///< the call was preempted and goes on: value = entries left
  emulated,      ///< Xen emulated a store to entry `slot` of table mfn
  guest_fault,   ///< #PF in vCPU `slot`: value = cr2, old = error code
  crash,         ///< the domain `slot` was crashed
  message,       ///< `text` is a line that Xen printed
};

enum class flush_reason : u64 {
  guest,        ///< the guest asked for it: mmuext_op, or update_va_mapping's flags
  table_write,  ///< mmu_update changed an L2, L3 or L4 entry (once a piece, whatever the number of entries)
  type_change,  ///< a frame changed type while a vCPU might still have it in its TLB
  cr3,          ///< a new baseptr
  grant_unmap,  ///< grants were unmapped, and what they held is dropped
  new_owner,    ///< a frame is given out again while a vCPU might still have it in its TLB
};

struct event {
  event_kind kind;
  u32 slot = 0;
  mfn_t mfn{};
  u64 old = 0;
  u64 value = 0;
  std::string_view text;  ///< valid during the notification only
};

class event_sink {
 public:
  virtual ~event_sink() = default;
  virtual void on_event(const event& e) = 0;
};

}  // namespace pvmmu
