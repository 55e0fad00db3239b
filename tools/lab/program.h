#pragma once
// A conformance program: fresh frames, what lies in them, and calls on them; and what the real Xen answered. No machine
// address occurs in it, so the same program runs on the real Xen (lab.h) and on the model.
//
//   program p{.nr_frames = 2};
//   p.contents.push_back({.frame = 0, .slot = 3, .value = pte_to(1, PAGE_PRESENT | PAGE_RW)});
//   p.calls.push_back(mmuext_op{.uops = {{.cmd = MMUEXT_PIN_L1_TABLE, .arg1 = mfn_of_frame(0)}}, .count = 1});
//
// What a frame begins with, the window and the names of frames: tests/conformance/probe/program.h.

#include <optional>
#include <variant>
#include <vector>

#include "proto/abi/hypercall.h"
#include "proto/abi/pte.h"
#include "tests/conformance/probe/program.h"

namespace pvmmu::lab {

using probe::content;
using probe::word;
using probe::word_kind;

constexpr word plain(u64 value) { return {.value = value}; }
/// An entry that leads to a frame.
constexpr word pte_to(u32 frame, u64 flags) { return {.value = flags, .kind = word_kind::maddr, .index = frame}; }
/// mmu_update's `ptr` for an entry of a table.
constexpr word entry_of(u32 table, u32 slot, u32 cmd = MMU_NORMAL_PT_UPDATE) {
  return {.value = slot * u64{8} + cmd, .kind = word_kind::maddr, .index = table};
}
constexpr word mfn_of_frame(u32 frame) { return {.kind = word_kind::mfn, .index = frame}; }
/// The virtual address of a raw_call's blob.
constexpr word blob_at(u32 blob) { return {.kind = word_kind::blob, .index = blob}; }
/// A grant's entry of version 1: a frame, in bits 63:32, and flags and domain below.
constexpr word grant_of(u32 frame, u16 flags, domid_t domain) {
  return {.value = flags | u64{domain} << 16, .kind = word_kind::mfn_high, .index = frame};
}
/// The number of one of the program's grants, in bits 63:32.
constexpr word ref_of_grant(u32 grant) { return {.kind = word_kind::grant_high, .index = grant}; }
/// Any number of a grant.
constexpr word plain_ref(u32 ref) { return plain(u64{ref} << 32); }
/// mmu_update's `ptr` for the entry of one of the program's grants: so it is written without being mapped.
constexpr word entry_of_grant(u32 grant) { return {.kind = word_kind::grant_maddr, .index = grant}; }
/// The upper half of a word that an earlier call of the program reported, for example a grant's handle.
constexpr word upper_half_of(u32 call, u32 out_word) {
  return {.kind = word_kind::earlier_high, .index = call << 16 | out_word};
}
/// A grant's handle that nobody has: what a map_grant_ref holds before it is answered, and after it has failed.
inline constexpr u32 no_handle = ~u32{0};
/// The handle that entry `entry` of call `call`, a map_grant_ref, has got.
constexpr word handle_of(u32 call, u32 entry = 0) { return upper_half_of(call, entry * 4 + 2); }
/// A virtual address in the program's window.
constexpr word window_va(u32 slot, u64 offset = 0) {
  return {.value = offset, .kind = word_kind::window, .index = slot};
}
/// What the probe's own L4 holds there: without its slots no other L4 can run the probe.
constexpr word probe_l4_entry(u32 slot) { return {.kind = word_kind::l4_entry, .index = slot}; }

struct mmu_update_entry {
  word ptr;
  word val;
  bool operator==(const mmu_update_entry&) const = default;
};

/// A list may be shorter than its count: what lies beyond it cannot be read.
struct mmu_update {
  std::vector<mmu_update_entry> ureqs{};
  u32 count = 0;
  bool null_list = false;
  done_arg pdone{};  ///< `where` and `value`, in
  u32 foreigndom = DOMID_SELF;
  bool operator==(const mmu_update&) const = default;
};

struct mmuext_entry {
  u32 cmd = 0;
  word arg1{};
  word arg2{};
  /// MULTI: `arg2` points to these bits; to memory that cannot be read if they are nothing. Other commands: not looked
  /// at.
  vcpumask_arg vcpumask{};
  bool operator==(const mmuext_entry&) const = default;
};

struct mmuext_op {
  std::vector<mmuext_entry> uops{};
  u32 count = 0;
  bool null_list = false;
  done_arg pdone{};
  u32 foreigndom = DOMID_SELF;
  bool operator==(const mmuext_op&) const = default;
};

struct update_va_mapping {
  word va;
  word val;
  u64 flags = 0;                         ///< if its scope is neither local nor UVMF_ALL, only bits 1:0 matter, and:
  bool mask_scope = false;               ///< the scope is a pointer to a mask:
  vcpumask_arg vcpumask{};               ///< its bits, or memory that cannot be read
  std::optional<domid_t> otherdomain{};  ///< update_va_mapping_otherdomain of this domain
  bool operator==(const update_va_mapping&) const = default;
};

struct set_gdt {
  std::vector<word> frame_list{};
  bool null_list = false;
  u32 entries = 0;
  bool operator==(const set_gdt&) const = default;
};

struct update_descriptor {
  word maddr;
  u64 desc = 0;
  bool operator==(const update_descriptor&) const = default;
};

struct vm_assist {
  u32 cmd = 0;
  u32 type = 0;
  bool operator==(const vm_assist&) const = default;
};

struct grant_map_entry {
  word host_addr{};
  u32 flags = 0;
  word ref{};  ///< in bits 63:32
  domid_t dom = 0;
  bool operator==(const grant_map_entry&) const = default;
};

/// Answered with the list as it is after the call: four words an entry, of which the third is dom | status << 16 |
/// handle << 32, the fourth the device address.
struct map_grant_ref {
  std::vector<grant_map_entry> uop{};
  u32 count = 0;
  bool operator==(const map_grant_ref&) const = default;
};

struct grant_unmap_entry {
  word host_addr{};
  word dev_bus_addr{};
  word handle{};
  bool operator==(const grant_unmap_entry&) const = default;
};

/// Answered with the list as it is after the call: three words an entry, of which the third is handle | status << 32.
struct unmap_grant_ref {
  std::vector<grant_unmap_entry> uop{};
  u32 count = 0;
  bool operator==(const unmap_grant_ref&) const = default;
};

/// A list of extents in guest memory, which Xen may read and write. It may be shorter than the number that goes with
/// it; `at` is an address instead of a list: plain(0), one in Xen's own range, or word_kind::unmapped.
struct extent_words {
  std::vector<word> words{};
  std::optional<word> at{};
  bool operator==(const extent_words&) const = default;
};

struct memory_reservation {
  extent_words extents{};
  u64 nr_extents = 0;
  u32 extent_order = 0;
  u32 mem_flags = 0;
  domid_t domid = DOMID_SELF;
  bool operator==(const memory_reservation&) const = default;
};

struct memory_exchange {
  memory_reservation in{};
  memory_reservation out{};
  u64 nr_exchanged = 0;
  bool operator==(const memory_exchange&) const = default;
};

struct machphys_mfn_list {
  u32 max_extents = 0;
  extent_words extents{};
  bool operator==(const machphys_mfn_list&) const = default;
};

struct memory_op {
  u64 cmd = 0;
  /// The command's structure; nothing: a pointer to memory that cannot be read.
  std::variant<std::monostate, memory_reservation, memory_exchange, machphys_mfn_list> arg{};
  /// What the call's list holds after it has these names from then on: as many as the result says, or, of an exchange
  /// or a machphys list that returned 0, all. Not in a multicall.
  std::optional<u32> adopt_first{};
  bool operator==(const memory_op&) const = default;
};

/// Any call, as words in guest memory: args may point to blobs. For what has no call of its own.
struct blob {
  std::vector<word> words;
  bool out = false;  ///< report its words after the call
  bool operator==(const blob&) const = default;
};
struct raw_call {
  u64 op = 0;
  std::vector<word> args{};
  std::vector<blob> blobs{};
  /// After a result n > 0 the first n words of this blob are frames, known as `adopt_first` and following from then on;
  /// after a result of 0, `adopt_number` words.
  std::optional<u32> adopt_blob{};
  u32 adopt_first = 0;
  u32 adopt_number = 0;
  bool operator==(const raw_call&) const = default;
};

/// Returns with this in rax, and ends the multicall that it is in. A call has one frame for it: the first one's.
struct iret {
  u64 rax = 0;
  bool operator==(const iret&) const = default;
};

/// The rest of it is 0.
struct vcpu_guest_context {
  u64 flags = 0;
  u64 rip = 0;
  u64 ldt_base = 0;
  u64 ldt_ents = 0;
  std::vector<word> gdt_frames{};  ///< at most 16
  u64 gdt_ents = 0;
  word user_cr3{};
  word cr3{};
  bool operator==(const vcpu_guest_context&) const = default;
};

/// The domain's second vCPU is there to be initialised, once a boot; it must not come up. Not in a multicall.
struct vcpu_op {
  u32 cmd = 0;
  u32 vcpuid = 0;
  std::optional<vcpu_guest_context> arg{};  ///< nothing: memory that cannot be read
  bool operator==(const vcpu_op&) const = default;
};

using simple_call = std::variant<mmu_update, mmuext_op, update_va_mapping, set_gdt, update_descriptor, vm_assist,
                                 map_grant_ref, unmap_grant_ref, memory_op, iret, vcpu_op, raw_call>;

struct multicall {
  std::vector<simple_call> entries{};  ///< their blobs and lists take part in one call: at most 36 altogether
  u32 nr_calls = 0;
  bool null_list = false;
  bool operator==(const multicall&) const = default;
};

/// A load or store by the guest's kernel, in the window or anywhere; or a selector of the LDT, in `value`, that it
/// loads into a data segment register.
struct memory_access {
  probe::access_op op = probe::access_op::read;
  u8 bytes = 8;
  word va{};
  word value{};
  word expected{};
  bool operator==(const memory_access&) const = default;
};

using call = std::variant<mmu_update, mmuext_op, update_va_mapping, set_gdt, update_descriptor, vm_assist,
                          map_grant_ref, unmap_grant_ref, memory_op, iret, vcpu_op, raw_call, multicall, memory_access>;

struct program {
  u32 nr_frames = 0;
  u32 nr_untouched = 0;  ///< the last of them
  u32 nr_foreign = 0;    ///< frames of domain probe::foreign_domid, known as probe::name_foreign and following
  u32 nr_grants = 0;     ///< grants of the domain that nobody has used before
  u32 nr_adopted = 0;    ///< names beyond nr_frames that calls may give to frames
  std::vector<content> contents{};
  std::vector<call> calls{};
  bool operator==(const program&) const = default;
};

// ---- answers

struct fault {
  u16 vector = 0;  ///< 11, 13 or 14
  u32 error_code = 0;
  u64 cr2 = 0;  ///< of a #PF
  bool operator==(const fault&) const = default;
};

/// What a memory_op left in guest memory.
struct memory_answer {
  std::vector<u64> extents{};  ///< the list that Xen writes to
  u64 number = 0;              ///< nr_exchanged, or a machphys list's nr_extents
  bool operator==(const memory_answer&) const = default;
};

/// What one entry of a multicall answered.
struct entry_answer {
  s64 result = 0;
  std::optional<u32> done{};
  std::vector<u64> list{};  ///< of a map_grant_ref or unmap_grant_ref
  memory_answer memory{};
  bool operator==(const entry_answer&) const = default;
};

struct answer {
  s64 result = 0;                         ///< of a hypercall
  u64 value = 0;                          ///< of an access: what was there
  std::optional<u32> done{};              ///< what lies at a writable `pdone` after the call (it held `value` before)
  std::vector<entry_answer> entries{};    ///< of a multicall: one for each entry that was sent
  std::vector<std::vector<u64>> blobs{};  ///< of a raw_call: those that are out; of a grant's call: its list
  std::optional<fault> taken{};           ///< of an access
  memory_answer memory{};                 ///< of a memory_op
  bool operator==(const answer&) const = default;
};

/// Where the names of a program lay in one run of it.
struct placement {
  std::vector<std::optional<mfn_t>> frames{};  ///< where each name lay; nothing for one that was never adopted
  std::vector<mfn_t> foreign{};                ///< where the foreign domain's frames lay
  u64 window_va = 0;
  mfn_t window_l1{};
  mfn_t window_l2{};
  mfn_t window_l3{};
  mfn_t probe_l4{};
  mfn_t shared_info{};
  mfn_t grant_table{};
  mfn_t m2p{};
  u32 first_grant = 0;  ///< number of the program's first grant; the others follow
  u32 nr_grants = 0;

  /// A frame by index or by `probe::frame_name`.
  std::optional<mfn_t> frame(u32 name) const;
};

struct program_answer : placement {
  enum class state {
    ended,
    crashed,  ///< Xen crashed the domain, or died, at the call after those that have an answer
    not_run,
  };
  state how = state::not_run;
  std::vector<answer> calls{};
};

}  // namespace pvmmu::lab
