#pragma once
// What Xen remembers of grants: beside the table that the guest writes, which of its entries are mapped, and the
// mappings themselves by handle (xen 4.17 common/grant_table.c:40-330).
//
//   grant_table.maptrack[handle]   a mapping that this domain has made: of which domain's which grant, and how
//   grant_table.active[ref]        a grant of this domain: how often it is mapped, and which frame it was then
//
// Free entries of `maptrack` form a list for each vCPU, through `ref`: handles are taken at its head and given back at
// its end.

#include <vector>

#include "proto/abi/grant_table.h"

namespace pvmmu::xen {

inline constexpr unsigned grants_per_frame = PAGE_SIZE / sizeof(u64);
inline constexpr unsigned grants_per_frame_v2 = PAGE_SIZE / (2 * sizeof(u64));
inline constexpr unsigned status_per_frame = PAGE_SIZE / sizeof(u16);
inline constexpr u32 MAPTRACK_TAIL = ~u32{0};

// `active_grant_entry::pin`: four counters of 8 bits.
inline constexpr u32 GNTPIN_hstw_inc = 1;
inline constexpr u32 GNTPIN_hstr_inc = 1 << 8;
inline constexpr u32 GNTPIN_devw_inc = 1 << 16;
inline constexpr u32 GNTPIN_devr_inc = 1 << 24;
inline constexpr u32 GNTPIN_hstw_mask = GNTPIN_hstw_inc * 0xff;
inline constexpr u32 GNTPIN_devw_mask = GNTPIN_devw_inc * 0xff;

/// What a mapping with these GNTMAP_* adds to its grant's pin.
constexpr u32 pin_increment(u32 flags) {
  const bool readonly = (flags & GNTMAP_readonly) != 0;
  return (flags & GNTMAP_device_map ? readonly ? GNTPIN_devr_inc : GNTPIN_devw_inc : 0) +
         (flags & GNTMAP_host_map ? readonly ? GNTPIN_hstr_inc : GNTPIN_hstw_inc : 0);
}

struct active_grant_entry {
  u32 pin = 0;        ///< 0: not mapped, and the rest means nothing
  domid_t domid = 0;  ///< who maps it
  mfn_t mfn{};
  friend bool operator==(const active_grant_entry&, const active_grant_entry&) = default;
};

struct grant_mapping {
  u32 ref = 0;         ///< of the grant, or the next free handle
  u16 flags = 0;       ///< GNTMAP_*; 0: free
  domid_t domid = 0;   ///< whose grant
  vcpu_id_t vcpu = 0;  ///< on whose list the handle is when it is free
  friend bool operator==(const grant_mapping&, const grant_mapping&) = default;
};

struct grant_table {
  u32 version = 1;
  std::vector<mfn_t> shared;  ///< the frames that the guest writes its grants to
  std::vector<mfn_t> status;  ///< of version 2: where Xen says what is mapped
  std::vector<active_grant_entry> active;
  std::vector<grant_mapping> maptrack;

  u32 nr_entries() const {
    return static_cast<u32>(shared.size()) * (version == 1 ? grants_per_frame : grants_per_frame_v2);
  }
  friend bool operator==(const grant_table&, const grant_table&) = default;
};

}  // namespace pvmmu::xen
