#pragma once
// What the plugin hears in Xen, as it writes it: the bytes between it and event_stream.h. Both come from one build, so
// these are structs as they lie in memory.
//
//   stream_head
//   entry_event  part …      a handler of Xen was entered; the guest's memory that the call points to
//   exit_event   part …      it returned; the memory that it may have written
//   table_event              a frame becomes a page table: its 512 words, before they are looked at
//
// Events of all vCPUs stand in the order in which they happened.

#include <array>
#include <cstdint>

namespace pvmmu::lab::heard {

/// A handler that is listened to. The plugin's arguments name them by these numbers.
enum class handler : std::uint16_t {
  mmu_update,
  mmuext_op,
  update_va_mapping,
  update_va_mapping_otherdomain,
  multicall,
  ptwr_emulated_update,
  memory_op,
  grant_table_op,
  set_gdt,
  update_descriptor,
  vm_assist,
  vcpu_op,
};
inline constexpr unsigned nr_handlers = 12;

struct stream_head {
  std::array<char, 8> magic{'p', 'v', 'h', 'e', 'a', 'r', 'd', '\0'};
  std::uint64_t version = 1;
};

enum class event_kind : std::uint16_t { entry = 1, exit = 2, table = 3 };

struct event_head {
  std::uint32_t bytes = 0;  ///< of the whole event
  event_kind kind{};
  std::uint16_t domid = 0;
  std::uint16_t vcpu = 0;   ///< of that domain
  std::uint16_t depth = 0;  ///< handlers on the same vCPU that were entered before and have not returned
  std::uint16_t nr_parts = 0;
  heard::handler handler{};
};

/// The arguments are those of Xen's function, in order.
struct entry_event {
  event_head head;
  std::array<std::uint64_t, 6> args{};
  std::uint64_t guest_rip = 0;  ///< where the guest was
  std::uint64_t guest_rsp = 0;
};

struct exit_event {
  event_head head;
  std::uint64_t result = 0;
  std::uint64_t guest_rsi = 0;  ///< of a call that is continued: the second of the new arguments
};

struct table_event {
  event_head head;
  std::uint64_t mfn = 0;
  std::array<std::uint64_t, 512> words{};
};

/// Guest memory: `bytes` bytes follow, filled up to a multiple of 8. Fewer than asked for: the rest cannot be read, or
/// is more than the plugin takes.
struct part {
  std::uint64_t va = 0;
  std::uint32_t bytes = 0;
  std::uint32_t asked = 0;
};

static_assert(sizeof(event_head) == 16 && sizeof(entry_event) == 80 && sizeof(exit_event) == 32 && sizeof(part) == 16);

}  // namespace pvmmu::lab::heard
