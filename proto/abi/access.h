#pragma once
// Guest loads and stores. They walk the page tables that the vCPU has loaded; they may fault, and a store through a
// read-only mapping of an L1 table reaches Xen's emulation (xen 4.17 pv/ro-page-fault.c).

#include "proto/abi/types.h"

namespace pvmmu {

enum class access_kind : u8 {
  read,
  write,
  xchg,     ///< the old value comes back
  cmpxchg,  ///< writes only where the old value is `expected`; the old value comes back
};

enum class cpu_mode : u8 { kernel, user };

struct access_request {
  access_kind kind = access_kind::read;
  cpu_mode mode = cpu_mode::kernel;
  u8 bytes = 8;  ///< 1, 2, 4 or 8, within one page
  u64 va = 0;
  u64 value = 0;
  u64 expected = 0;
};

/// The page fault's error code as the guest's handler sees it.
enum pfec : u32 { PFEC_page_present = 1, PFEC_write_access = 2, PFEC_user_mode = 4, PFEC_insn_fetch = 16 };

struct access_result {
  bool fault = false;     ///< a guest #PF was injected: nothing was read or written
  u32 error_code = 0;     ///< of the fault, bits of `pfec`
  u64 cr2 = 0;            ///< of the fault
  u64 value = 0;          ///< read, xchg, cmpxchg: what was there
  bool emulated = false;  ///< Xen's page-table write emulation did the store
};

}  // namespace pvmmu
