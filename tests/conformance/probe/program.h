#pragma once
// What the host asks of the probe, a PV guest on the real Xen, and what it answers: the bytes of the module that Xen
// hands to it, and the bytes of the results that it leaves in memory. Freestanding: both sides include it.
//
//   module    module_header, then nr_programs × program
//   program   program_header, nr_contents × content, nr_calls × call
//   call      call_header, nr_blobs × (blob_header, nr_words × word)
//
//   results   results_header, then for every program that was begun:
//             program_result, (nr_names + nr_foreign) × u64 mfn, then for every call that returned: call_result, nr_out
//             × u64
//
// A module without programs asks for nothing but the machine as Xen started it: then the probe only reads.
//
// When all programs have ended, the probe waits for results_header::go_on, which the host writes once it has looked at
// everything; then it destroys the foreign domain, for the host to look again.
//
// A program knows no machine address. It names frames by index and places by slot; the probe puts the numbers in.
//
// What the probe does for a program
//   1. It takes nr_frames fresh frames of the domain. Each is one that nothing maps. All but the last nr_untouched are
//      mapped at a scratch address, zeroed, filled with `contents`, and unmapped again: they begin with count
//      allocated|1 and type writable|validated|0. The untouched ones are zero and begin with allocated|1 and type 0:
//      they were mapped read-only alone, to see that they are zero.
//   2. It takes one frame more, zeroed as the others: `name_window_l1`, and writes it into an empty slot of an L2 of
//      its own (flags P|RW|U|A|D; by mmu_update). So the program has a window of 512 pages that is empty, at an
//      address that no program before it used; the window's L1 has count allocated|2 and type l1|validated|1.
//   3. It gives the program nr_grants grants that no program before it used, in one frame of the domain's grant table,
//      and fills them with the `contents` of name_grant_table (slot = number of the grant).
//   4. It makes the calls, in order. A blob lies in guest memory so that it ends at a page that is not mapped:
//      whatever Xen reads beyond it is -EFAULT.
//   5. It goes back to its own page tables, without a user table, GDT, or LDT, and with the vm_assists that it started
//      with: NEW_BASEPTR(its L4), NEW_USER_BASEPTR(0), SET_LDT(0, 0), set_gdt(0 entries), vm_assist(disable, each that
//      can be), none of it reported. The window stays as the program left it.

#include "proto/abi/types.h"

namespace pvmmu::probe {

inline constexpr u64 module_magic = 0x3170626f72705650;   ///< "PVprobp1" in memory
inline constexpr u64 results_magic = 0x3172626f72705650;  ///< "PVprobr1"
inline constexpr u32 format_version = 5;

inline constexpr u32 grants_per_frame = 512;  ///< so many may a program have
inline constexpr u32 nr_grant_frames = 64;    ///< of the domain's grant table: Xen's own limit
inline constexpr u32 max_frames = 1024;       ///< of a program: fresh frames and adopted ones together
inline constexpr u32 max_blobs = 40;          ///< of a call
inline constexpr u32 max_blob_words = 512;    ///< of a blob but the first: a page
inline constexpr u32 max_first_blob_words = 2048;
inline constexpr u32 max_args = 5;
inline constexpr u64 results_capacity = u64{48} << 20;  ///< bytes
inline constexpr u32 window_slots = 512;                ///< of 4 KiB
inline constexpr u32 window_l4_slot = 300;
inline constexpr u64 first_window_va = 0xffff000000000000 | u64{window_l4_slot} << 39;  ///< the first program's

/// What is added to a word's value.
enum class word_kind : u16 {
  plain,         ///< nothing
  maddr,         ///< the machine address of frame `index`: for entries and for mmu_update's ptr
  mfn,           ///< its number
  window,        ///< the virtual address of slot `index` of the program's window
  blob,          ///< the virtual address of blob `index` of this call
  unmapped,      ///< a virtual address where nothing is mapped, page-aligned, with a page of nothing behind it
  l4_entry,      ///< the contents of slot `index` of the probe's own L4, as they were before the first program
  mfn_high,      ///< the number of frame `index`, in bits 63:32
  grant_high,    ///< the number (ref) of the program's grant `index`, in bits 63:32
  grant_maddr,   ///< the machine address of its entry in the grant table
  earlier_high,  ///< bits 63:32 of a word that a call of this program reported: index = call << 16 | its word
};

/// A domain beside the probe's: one vCPU, which never runs, and no memory but what programs ask for.
inline constexpr domid_t foreign_domid = 1;

/// Frames that are not the program's own, by index.
enum frame_name : u32 {
  name_window_l1 = 0x10000,  ///< the L1 of the program's window
  name_window_l2,            ///< the L2 above it; up to 512 programs in a row have the same
  name_window_l3,            ///< the L3 above that: the same for all
  name_probe_l4,             ///< what cr3 leads to
  name_shared_info,          ///< Xen's own page that the domain may write
  name_grant_table,          ///< Xen's page with the program's grants, among others: version 1, eight bytes a grant
  name_m2p,                  ///< the first of the frames that MMUEXT/XENMEM_machphys_mfn_list names: DOMID_XEN's
  name_foreign = 0x20000,    ///< the program's first frame of the foreign domain; the others follow
};

struct word {
  u64 value = 0;
  word_kind kind = word_kind::plain;
  u16 pad = 0;
  u32 index = 0;
  bool operator==(const word&) const = default;
};
static_assert(sizeof(word) == 16);

struct module_header {
  u64 magic = module_magic;
  u32 version = format_version;
  u32 nr_programs = 0;
  u64 bytes = 0;  ///< of the module, with this header
};

struct program_header {
  u32 bytes = 0;         ///< of the program, with this header
  u32 nr_frames = 0;     ///< fresh frames: indices 0 … nr_frames - 1
  u32 nr_untouched = 0;  ///< the last of them begin without a type
  u32 nr_names = 0;      ///< nr_frames, and those that calls adopt, after them
  u32 nr_foreign = 0;    ///< fresh frames of the foreign domain, zeroed and filled as the others
  u32 nr_contents = 0;
  u32 nr_calls = 0;
  u32 nr_grants = 0;
};
static_assert(sizeof(program_header) == 32);

/// Fills slots `slot` … `slot + nr - 1` of a fresh frame, or as many of the program's grants.
struct content {
  u32 frame = 0;
  u16 slot = 0;
  u16 nr = 1;
  word value;
  bool operator==(const content&) const = default;
};
static_assert(sizeof(content) == 24);

enum class call_kind : u32 {
  hypercall,  ///< op = its number, args = its arguments
  access,     ///< op = access_op | bytes << 8; args = va, value, expected
};

/// load_selector loads bits 15:0 of `value` into %es, with that value's bit 2 set: a selector of the LDT; then %es gets
/// back what it had. The others are a load or store by the guest's kernel. Before it the probe does INVLPG_LOCAL of the
/// address, and of its last byte's. xchg and cmpxchg should be aligned: QEMU makes an unaligned one read first.
enum class access_op : u8 { read, write, xchg, cmpxchg, load_selector };

struct call_header {
  call_kind kind = call_kind::hypercall;
  u32 nr_blobs = 0;
  u64 op = 0;
  word args[max_args];
  // Adopts frames: after a result n > 0 the first n words of blob `adopt_blob` are frames `adopt_first` and following;
  // if `adopt_number` is not 0, that many words, after a result of 0.
  u32 adopt_blob = no_adoption;
  u32 adopt_first = 0;
  u32 adopt_number = 0;
  u32 pad = 0;
  u64 iret_rax = 0;  ///< of the frame that lies on the stack: it leads behind the hypercall

  static constexpr u32 no_adoption = ~u32{0};
};
static_assert(sizeof(call_header) == 120);

enum blob_flags : u32 {
  blob_out = 1,  ///< its words are reported after the call
};

struct blob_header {
  u32 nr_words = 0;
  u32 bytes = 0;  ///< that are in guest memory, 8 × nr_words or up to 7 less
  u32 flags = 0;
  u32 pad = 0;
};

// ---- results

enum class probe_state : u32 { running = 1, done = 2, failed = 3 };

/// What Xen told the domain at its start; addresses are virtual.
struct start_facts {
  u64 nr_pages = 0;
  u64 mapped_pages = 0;  ///< from virt_base on; pfn i is at virt_base + i pages
  u64 virt_base = 0;
  u64 pt_base = 0;
  u64 nr_pt_frames = 0;
  u64 p2m_maddr = 0;  ///< machine address of nr_pages × u64 mfn
};

struct results_header {
  u64 magic = results_magic;
  u32 version = format_version;
  probe_state state = probe_state::running;
  u32 nr_programs = 0;  ///< that have ended
  u32 nr_begun = 0;     ///< nr_programs, or one more
  u64 bytes = 0;        ///< of the results, with this header; programs that have not ended are not counted
  u64 probe_l4_mfn = 0;
  u64 window_l3_mfn = 0;
  u64 shared_info_mfn = 0;
  u64 grant_table_mfns[nr_grant_frames] = {};  ///< of grants 0-511, 512-1023, …
  u64 m2p_mfn = 0;
  u64 go_on = 0;  ///< written by the host
  start_facts start{};
};

struct program_result {
  u32 nr_names = 0;  ///< as asked; of names that were not adopted the mfn is all ones
  u32 nr_calls = 0;
  u32 nr_foreign = 0;
  u32 first_grant = 0;  ///< the others follow
  u64 window_va = 0;
  u64 window_l1_mfn = 0;
  u64 window_l2_mfn = 0;
};

struct call_result {
  s64 result = 0;  ///< hypercall: what it returned; access: the value that was there
  u64 cr2 = 0;     ///< of the fault
  u32 error_code = 0;
  u16 vector = no_fault;  ///< of the exception that the access raised: 11, 13 or 14
  u16 nr_out = 0;         ///< words that follow: those of the blobs with blob_out, in order

  static constexpr u16 no_fault = 0xffff;
};
static_assert(sizeof(call_result) == 24);

}  // namespace pvmmu::probe
