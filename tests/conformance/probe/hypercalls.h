#pragma once
// Calls into Xen, through the page that it fills with their entry points.

#include "tests/conformance/probe/xen_abi.h"

/// Not to be called: Xen fills this page with an entry of 32 bytes for each number.
extern "C" void hypercall_page();

namespace pvmmu::probe {

inline s64 hypercall(u64 number, u64 a1 = 0, u64 a2 = 0, u64 a3 = 0, u64 a4 = 0, u64 a5 = 0) {
  register u64 r10 asm("r10") = a4;
  register u64 r8 asm("r8") = a5;
  s64 result = 0;
  asm volatile("call *%[entry]"
               : "=a"(result), "+D"(a1), "+S"(a2), "+d"(a3), "+r"(r10), "+r"(r8)
               : [entry] "b"(reinterpret_cast<u64>(&hypercall_page) + number * 32)
               : "rcx", "r9", "r11", "memory");
  return result;
}

inline u64 address_of(const void* p) { return reinterpret_cast<u64>(p); }

template <class T>
const T* pointer_to(u64 va) {
  return reinterpret_cast<const T*>(va);
}

inline s64 update_va_mapping(u64 va, u64 entry) {
  return hypercall(HYPERVISOR_update_va_mapping, va, entry, UVMF_INVLPG);
}

inline s64 write_entry(u64 table_mfn, u64 slot, u64 entry) {
  const mmu_update update{table_mfn * page_bytes + slot * 8, entry};
  return hypercall(HYPERVISOR_mmu_update, address_of(&update), 1, 0, DOMID_SELF);
}

}  // namespace pvmmu::probe
