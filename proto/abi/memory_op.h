#pragma once
// memory_op's commands about frames, argument for argument (xen public/memory.h). As in hypercall.h a pointer is what
// can be seen through it; a list that Xen writes to is changed where it lies.
//
//   std::array<u64, 2> pfns = {10, 11};
//   memory_op_call call{.cmd = XENMEM_populate_physmap,
//                       .arg = xen_memory_reservation{.extent_start = {pfns}, .nr_extents = 2}};
//   // after the call: pfns = the machine frames

#include <span>
#include <string_view>
#include <variant>

#include "proto/abi/types.h"

namespace pvmmu {

enum memory_op_cmd : u32 {
  XENMEM_increase_reservation = 0,
  XENMEM_decrease_reservation = 1,
  XENMEM_machphys_mfn_list = 5,
  XENMEM_populate_physmap = 6,
  XENMEM_exchange = 11,
};

/// Of `cmd`: the command in bits 5:0; above, how many extents an earlier piece has handled.
inline constexpr unsigned MEMOP_EXTENT_SHIFT = 6;
inline constexpr u64 MEMOP_CMD_MASK = (u64{1} << MEMOP_EXTENT_SHIFT) - 1;

// mem_flags: address bits in 7:0 (0: any), NUMA node + 1 in 15:8 (0: any).
inline constexpr u32 XENMEMF_populate_on_demand = u32{1} << 16;
inline constexpr u32 XENMEMF_exact_node_request = u32{1} << 17;
inline constexpr u32 XENMEMF_vnode = u32{1} << 18;

/// A list of frame numbers in guest memory, writable where it is readable. What it lies at matters to Xen by itself:
/// 0 is no list at all, and an address in Xen's own range is refused before anything is read.
struct extent_list {
  static constexpr u64 anywhere = u64{1} << 20;
  std::span<u64> entries{};
  u64 va = anywhere;
};

struct xen_memory_reservation {
  extent_list extent_start{};
  u64 nr_extents = 0;
  u32 extent_order = 0;  ///< an extent has 2^extent_order frames
  u32 mem_flags = 0;
  domid_t domid = DOMID_SELF;
};

struct xen_memory_exchange {
  xen_memory_reservation in{};
  xen_memory_reservation out{};
  u64 nr_exchanged = 0;  ///< in and out: extents of `in` that were exchanged
};

struct xen_machphys_mfn_list {
  u32 max_extents = 0;
  extent_list extent_start{};
  u32 nr_extents = 0;  ///< out
};

struct memory_op_call {
  u64 cmd = 0;
  /// The structure that the pointer leads to: the command's own, or what Xen cannot read.
  std::variant<std::monostate, xen_memory_reservation, xen_memory_exchange, xen_machphys_mfn_list> arg{};
};

/// The list that Xen writes to; nullptr where there is no structure.
const extent_list* written_extents(const memory_op_call& call);
/// The number that Xen writes beside the list: nr_exchanged or nr_extents; 0 for the other commands.
u64 written_number(const memory_op_call& call);
/// "populate_physmap" for 6; "" for commands that are not listed above.
std::string_view memory_op_cmd_name(u64 cmd);

}  // namespace pvmmu
