#pragma once
// What the probe must know of Xen's interface for itself (xen public/xen.h). proto/abi/hypercall.h says more, but needs
// a C++ library, which does not exist here.

#include "proto/abi/types.h"

namespace pvmmu::probe {

enum hypercall_number : u64 {
  HYPERVISOR_set_trap_table = 0,
  HYPERVISOR_mmu_update = 1,
  HYPERVISOR_set_gdt = 2,
  HYPERVISOR_memory_op = 12,
  HYPERVISOR_multicall = 13,
  HYPERVISOR_update_va_mapping = 14,
  HYPERVISOR_console_io = 18,
  HYPERVISOR_vm_assist = 21,
  HYPERVISOR_mmuext_op = 26,
  HYPERVISOR_sched_op = 29,
  HYPERVISOR_sysctl = 35,
};

inline constexpr u64 UVMF_INVLPG = 2;
inline constexpr u64 page_bytes = 4096;

inline constexpr u64 flags_ro = 0x025;     ///< P|U|A
inline constexpr u64 flags_rw = 0x067;     ///< P|RW|U|A|D
inline constexpr u64 flags_table = 0x067;  ///< of L2-L4 entries, as Xen's own builder writes them

struct start_info {
  char magic[32];
  u64 nr_pages;
  u64 shared_info;  ///< machine address
  u32 flags;
  u64 store_mfn;
  u32 store_evtchn;
  u64 console[2];
  u64 pt_base;       ///< virtual address of the L4
  u64 nr_pt_frames;  ///< in frames
  u64 mfn_list;      ///< virtual address of the table pfn → mfn
  u64 mod_start;     ///< virtual address of the module
  u64 mod_len;       ///< in bytes
};

struct mmu_update {
  u64 ptr;
  u64 val;
};

struct mmuext_op {
  u64 cmd;
  u64 arg1;
  u64 arg2;
};

struct multicall_entry {
  u64 op;
  u64 result;
  u64 args[6];
};

struct trap_info {
  u8 vector;
  u8 flags;
  u16 cs;
  u64 address;
};

struct machphys_mfn_list {
  u32 max_extents;
  u64 extent_start;  ///< where the mfns go
  u32 nr_extents;
};

}  // namespace pvmmu::probe
