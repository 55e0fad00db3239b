#pragma once
// What a PV guest can ask of Xen's MMU, argument for argument (xen public/xen.h).
//
// A real guest passes pointers. Here each pointer is what can be seen through it, and nothing is lost:
//   a list       its entries, whether the pointer was NULL, and apart from both the count that the caller claims:
//                entries beyond those sent are guest memory that cannot be read (-EFAULT when Xen gets there)
//   pdone        absent (NULL), writable with a value, or not writable
//   a vCPU mask  its bits, or nothing where it cannot be read
// Nothing here owns memory: whoever makes a call keeps its lists alive until the call has returned.

#include <optional>
#include <span>
#include <string_view>
#include <variant>

#include "proto/abi/grant_table.h"
#include "proto/abi/memory_op.h"

namespace pvmmu {

enum hypercall_nr : u32 {
  HYPERVISOR_mmu_update = 1,
  HYPERVISOR_set_gdt = 2,
  HYPERVISOR_update_descriptor = 10,
  HYPERVISOR_memory_op = 12,
  HYPERVISOR_multicall = 13,
  HYPERVISOR_update_va_mapping = 14,
  HYPERVISOR_grant_table_op = 20,
  HYPERVISOR_vm_assist = 21,
  HYPERVISOR_update_va_mapping_otherdomain = 22,
  HYPERVISOR_iret = 23,
  HYPERVISOR_vcpu_op = 24,
  HYPERVISOR_mmuext_op = 26,
};

/// mmu_update's commands: the low three bits of `ptr`.
enum mmu_update_cmd : u32 {
  MMU_NORMAL_PT_UPDATE = 0,
  MMU_MACHPHYS_UPDATE = 1,
  MMU_PT_UPDATE_PRESERVE_AD = 2,
  MMU_PT_UPDATE_NO_TRANSLATE = 3,
};

/// Set in `count` by Xen when it continues a preempted call, and by any guest that likes to.
inline constexpr u32 MMU_UPDATE_PREEMPTED = u32{1} << 31;

struct mmu_update_t {
  u64 ptr = 0;  ///< machine address of the entry (MACHPHYS: of the frame), with the command in bits 2:0
  u64 val = 0;  ///< new contents of the entry (MACHPHYS: the pfn)
};

enum mmuext_cmd : u32 {
  MMUEXT_PIN_L1_TABLE = 0,
  MMUEXT_PIN_L2_TABLE = 1,
  MMUEXT_PIN_L3_TABLE = 2,
  MMUEXT_PIN_L4_TABLE = 3,
  MMUEXT_UNPIN_TABLE = 4,
  MMUEXT_NEW_BASEPTR = 5,
  MMUEXT_TLB_FLUSH_LOCAL = 6,
  MMUEXT_INVLPG_LOCAL = 7,
  MMUEXT_TLB_FLUSH_MULTI = 8,
  MMUEXT_INVLPG_MULTI = 9,
  MMUEXT_TLB_FLUSH_ALL = 10,
  MMUEXT_INVLPG_ALL = 11,
  MMUEXT_FLUSH_CACHE = 12,
  MMUEXT_SET_LDT = 13,
  MMUEXT_NEW_USER_BASEPTR = 15,
  MMUEXT_CLEAR_PAGE = 16,
  MMUEXT_COPY_PAGE = 17,
  MMUEXT_FLUSH_CACHE_GLOBAL = 18,
  MMUEXT_MARK_SUPER = 19,
  MMUEXT_UNMARK_SUPER = 20,
};

/// The bits of a vCPU set that a pointer leads to; nothing where it leads to memory that cannot be read.
using vcpumask_arg = std::optional<u64>;

struct mmuext_op_t {
  u32 cmd = 0;
  u64 arg1 = 0;  ///< mfn or linear address
  u64 arg2 = 0;  ///< SET_LDT: entries; COPY_PAGE: source mfn; MULTI: the mask's address (only the mask matters)
  vcpumask_arg vcpumask{};  ///< MULTI: what arg2 points to
};

/// A list in guest memory: what can be read of it, and whether its address was NULL.
template <class T>
struct guest_list {
  std::span<const T> entries{};
  bool null = false;
};

/// The `pdone` argument: where Xen writes how many entries succeeded.
struct done_arg {
  enum class state { absent, writable, unwritable };
  state where = state::absent;
  u32 value = 0;         ///< in: what lies there (read by a continued call); out: what Xen wrote
  bool written = false;  ///< out: whether Xen wrote it
  bool operator==(const done_arg&) const = default;
};

struct mmu_update_call {
  guest_list<mmu_update_t> ureqs{};
  u32 count = 0;
  done_arg pdone{};
  u32 foreigndom = DOMID_SELF;  ///< bits 15:0 owner of the pages, 31:16 owner of the tables plus 1 (0: the caller)
};

struct mmuext_op_call {
  guest_list<mmuext_op_t> uops{};
  u32 count = 0;
  done_arg pdone{};
  u32 foreigndom = DOMID_SELF;
};

/// update_va_mapping's flags: kind of flush in bits 1:0, scope above (0 local, UVMF_ALL, or a pointer to a mask).
inline constexpr u64 UVMF_NONE = 0;
inline constexpr u64 UVMF_TLB_FLUSH = 1;
inline constexpr u64 UVMF_INVLPG = 2;
inline constexpr u64 UVMF_FLUSHTYPE_MASK = 3;
inline constexpr u64 UVMF_ALL = 4;

struct update_va_mapping_call {
  u64 va = 0;
  u64 val = 0;
  u64 flags = 0;
  vcpumask_arg vcpumask{};  ///< what the pointer in `flags` leads to, where it is one
};

struct update_va_mapping_otherdomain_call {
  update_va_mapping_call update{};
  domid_t domid = DOMID_SELF;
};

struct set_gdt_call {
  guest_list<u64> frame_list{};  ///< mfns
  u32 entries = 0;               ///< descriptors, 512 a frame
};

struct update_descriptor_call {
  u64 maddr = 0;
  u64 desc = 0;
};

enum vm_assist_cmd : u32 { VMASST_CMD_enable = 0, VMASST_CMD_disable = 1 };
enum vm_assist_type : u32 {
  VMASST_TYPE_4gb_segments = 0,
  VMASST_TYPE_4gb_segments_notify = 1,
  VMASST_TYPE_writable_pagetables = 2,
  VMASST_TYPE_pae_extended_cr3 = 3,
  VMASST_TYPE_architectural_iopl = 4,
  VMASST_TYPE_runstate_update_flag = 5,
  VMASST_TYPE_m2p_strict = 32,
};

struct vm_assist_call {
  u32 cmd = 0;
  u32 type = 0;
};

struct grant_table_op_call {
  /// Entries that can be read and written, or the one structure: the command is that of their kind.
  std::variant<std::span<gnttab_map_grant_ref_t>, std::span<gnttab_unmap_grant_ref_t>, gnttab_set_version_t,
               gnttab_get_status_frames_t>
      uop{};
  u32 count = 0;    ///< of entries; a set_version's is not looked at
  u32 handled = 0;  ///< by pieces before this one: a continued call goes on behind these
  gnttab_cmd cmd() const;
};

/// Takes a frame off the kernel's stack: it must lead back to the kernel. What else is in it than rax is the guest's
/// own affair.
struct iret_call {
  u64 rax = 0;
};

enum vcpu_op_cmd : u32 { VCPUOP_initialise = 0, VCPUOP_up = 1, VCPUOP_is_up = 3 };

inline constexpr u64 VGCF_in_kernel = 1 << 2;
inline constexpr u64 VGCF_online = 1 << 5;

/// What a vCPU begins with, as far as the MMU is concerned (xen public/arch-x86/xen.h). Its other addresses are
/// canonical.
struct vcpu_guest_context {
  u64 flags = 0;  ///< VGCF_*
  u64 rip = 0;
  u64 ldt_base = 0;
  u64 ldt_ents = 0;
  std::span<const u64> gdt_frames{};  ///< mfns, of which there are 16: those that are not given are 0
  u64 gdt_ents = 0;
  u64 user_cr3 = 0;  ///< ctrlreg[1], 0: none
  u64 cr3 = 0;       ///< ctrlreg[3]
};

struct vcpu_op_call {
  u32 cmd = 0;
  u32 vcpuid = 0;
  std::optional<vcpu_guest_context> arg{};  ///< of VCPUOP_initialise; nothing: it cannot be read
};

struct multicall_entry;

struct multicall_call {
  std::span<multicall_entry> call_list{};  ///< entries that can be read; Xen writes each one's result back
  bool null = false;
  u32 nr_calls = 0;
};

/// A call number that the model does not serve: answered -ENOSYS, as by a Xen without that call.
struct unknown_call {
  u64 op = 0;
};

using hypercall =
    std::variant<mmu_update_call, mmuext_op_call, update_va_mapping_call, update_va_mapping_otherdomain_call,
                 multicall_call, set_gdt_call, update_descriptor_call, vm_assist_call, grant_table_op_call,
                 memory_op_call, iret_call, vcpu_op_call, unknown_call>;

struct multicall_entry {
  hypercall call;
  s64 result = 0;
  bool overwritten = false;  ///< a debug Xen filled the entry with 0xAA before it wrote the result (multicall.c)
};

/// What `op` reads as in an entry that a debug Xen has overwritten.
inline constexpr u64 overwritten_op = 0xaaaaaaaaaaaaaaaa;

u64 hypercall_number(const hypercall& call);
std::string_view hypercall_name(const hypercall& call);
/// "map_grant_ref"
std::string_view gnttab_cmd_name(gnttab_cmd cmd);
/// "PIN_L1_TABLE" for 0; "" for numbers that Xen does not know.
std::string_view mmuext_cmd_name(u32 cmd);

}  // namespace pvmmu
