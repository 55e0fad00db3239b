#pragma once
// Guest loads and stores, and loads of segment selectors. Loads and stores walk the page tables that the vCPU has
// loaded; they may fault, and a store through a read-only mapping of an L1 table reaches Xen's emulation (xen 4.17
// pv/ro-page-fault.c).

#include <string_view>

#include "proto/abi/types.h"

namespace pvmmu {

enum class access_kind : u8 {
  read,
  write,
  xchg,     ///< the old value comes back
  cmpxchg,  ///< writes only where the old value is `expected`; the old value comes back
  /// Loads a selector of the LDT, bits 15:0 of `value`, into a data segment register, which is then as it was before.
  load_selector,
};

/// A selector's bit that means the LDT, not the GDT.
inline constexpr u64 selector_ti = 4;

enum class cpu_mode : u8 { kernel, user };

struct access_request {
  access_kind kind = access_kind::read;
  cpu_mode mode = cpu_mode::kernel;
  u8 bytes = 8;  ///< 1, 2, 4 or 8, aligned or not
  u64 va = 0;
  u64 value = 0;
  u64 expected = 0;
};

/// The exceptions that an access may raise.
enum class exception_vector : u8 { segment_not_present = 11, general_protection = 13, page_fault = 14 };

constexpr std::string_view exception_name(exception_vector v) {
  switch (v) {
    case exception_vector::segment_not_present: return "#NP";
    case exception_vector::general_protection: return "#GP";
    default: return "#PF";
  }
}

/// The page fault's error code as the guest's handler sees it.
enum pfec : u32 { PFEC_page_present = 1, PFEC_write_access = 2, PFEC_user_mode = 4, PFEC_insn_fetch = 16 };

struct access_result {
  bool fault = false;  ///< an exception was raised in the guest: nothing was read or written
  exception_vector vector = exception_vector::page_fault;  ///< of the fault
  u32 error_code = 0;     ///< of the fault: bits of `pfec`; of others than #PF, the selector
  u64 cr2 = 0;            ///< of a #PF
  u64 value = 0;          ///< read, xchg, cmpxchg: what was there
  bool emulated = false;  ///< Xen's page-table write emulation did the store
};

}  // namespace pvmmu
