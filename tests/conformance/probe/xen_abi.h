#pragma once
// What the probe must know of Xen's interface for itself (xen public/xen.h). proto/abi/hypercall.h says more, but needs
// a C++ library, which does not exist here.

#include "proto/abi/types.h"

namespace pvmmu::probe {

enum hypercall_number : u64 {
  HYPERVISOR_set_trap_table = 0,
  HYPERVISOR_mmu_update = 1,
  HYPERVISOR_set_gdt = 2,
  HYPERVISOR_set_callbacks = 4,
  HYPERVISOR_memory_op = 12,
  HYPERVISOR_multicall = 13,
  HYPERVISOR_update_va_mapping = 14,
  HYPERVISOR_console_io = 18,
  HYPERVISOR_grant_table_op = 20,
  HYPERVISOR_vm_assist = 21,
  HYPERVISOR_update_va_mapping_otherdomain = 22,
  HYPERVISOR_mmuext_op = 26,
  HYPERVISOR_sched_op = 29,
  HYPERVISOR_sysctl = 35,
  HYPERVISOR_domctl = 36,
};

enum mmuext_cmd : u64 {
  MMUEXT_NEW_BASEPTR = 5,
  MMUEXT_INVLPG_LOCAL = 7,
  MMUEXT_SET_LDT = 13,
  MMUEXT_NEW_USER_BASEPTR = 15,
};

enum other_cmd : u32 {
  CONSOLEIO_write = 0,
  SCHEDOP_yield = 0,
  SCHEDOP_block = 1,
  GNTTABOP_setup_table = 2,
  XENMEM_machphys_mfn_list = 5,
  XENMEM_populate_physmap = 6,
  VMASST_CMD_disable = 1,
  XEN_SYSCTL_debug_keys = 7,
  XEN_DOMCTL_createdomain = 1,
  XEN_DOMCTL_destroydomain = 2,
  XEN_DOMCTL_max_mem = 11,
  XEN_DOMCTL_max_vcpus = 15,
};
/// Of sysctl and domctl, in Xen 4.17.
inline constexpr u32 control_interface_version = 0x15;

inline constexpr u16 FLAT_KERNEL_CS = 0xe033;
inline constexpr u64 virt_base = 0xffffffff80000000;  ///< as the linker script says

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

struct memory_reservation {
  u64 extent_start;  ///< where the frame numbers lie
  u64 nr_extents;
  u32 extent_order;
  u32 mem_flags;
  domid_t domid;
};

struct gnttab_setup_table {
  domid_t dom;
  u32 nr_frames;
  s16 status;
  u64 frame_list;  ///< where the mfns go
};

struct sysctl {
  u32 cmd;
  u32 interface_version;
  u64 keys;  ///< of debug_keys: what would be typed on Xen's console
  u32 nr_keys;
  u8 rest[128];
};

struct domctl {
  u32 cmd = 0;
  u32 interface_version = control_interface_version;
  domid_t domain = 0;
  u16 pad[3] = {};
  u32 words[32] = {};  ///< what the command says
};

struct machphys_mfn_list {
  u32 max_extents;
  u64 extent_start;  ///< where the mfns go
  u32 nr_extents;
};

}  // namespace pvmmu::probe
