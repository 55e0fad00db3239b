#pragma once
// Grants: how a domain lets another one, or itself, map its frames (xen public/grant_table.h, version 1).
//
//   the granting domain's table   63        32 31    16 15     0
//   one word a grant              frame        domid    flags      make_grant(frame, GTF_permit_access, domid)
//
// Whoever maps a grant by its number (ref) is given a handle, with which it is unmapped.
//
// A table of version 2 has entries of another form, and status frames beside it: pages of Xen's heap where Xen says
// what is mapped. A domain may change the version of its own table while nothing of it is in use.

#include <span>
#include <string_view>

#include "proto/abi/frame.h"

namespace pvmmu {

enum gnttab_cmd : u32 {
  GNTTABOP_map_grant_ref = 0,
  GNTTABOP_unmap_grant_ref = 1,
  GNTTABOP_set_version = 8,
  GNTTABOP_get_status_frames = 9,
};

/// How a grant is mapped.
inline constexpr u32 GNTMAP_device_map = 1 << 0;
inline constexpr u32 GNTMAP_host_map = 1 << 1;
inline constexpr u32 GNTMAP_readonly = 1 << 2;
inline constexpr u32 GNTMAP_application_map = 1 << 3;  ///< for the guest's user mode too
inline constexpr u32 GNTMAP_contains_pte = 1 << 4;     ///< host_addr is the machine address of the entry to write
inline constexpr unsigned GNTMAP_guest_avail0 = 16;    ///< the bits from here on go into the entry's available bits

/// The flags of a grant.
inline constexpr u64 GTF_permit_access = 1;
inline constexpr u64 GTF_transitive = 3;  ///< version 2 alone
inline constexpr u64 GTF_type_mask = 3;
inline constexpr u64 GTF_readonly = 1 << 2;
inline constexpr u64 GTF_reading = 1 << 3;  ///< set by Xen while mapped
inline constexpr u64 GTF_writing = 1 << 4;  ///< set by Xen while mapped writable
inline constexpr u64 GTF_sub_page = 1 << 8;
constexpr u64 make_grant(mfn_t frame, u64 flags, domid_t domid) { return frame.n << 32 | u64{domid} << 16 | flags; }

/// The status of each entry of a list: the call itself succeeds.
enum grant_status : s16 {
  GNTST_okay = 0,
  GNTST_general_error = -1,
  GNTST_bad_domain = -2,
  GNTST_bad_gntref = -3,
  GNTST_bad_handle = -4,
  GNTST_bad_virt_addr = -5,
  GNTST_bad_dev_addr = -6,
  GNTST_permission_denied = -8,
  GNTST_bad_page = -9,
  GNTST_no_space = -13,
};

struct gnttab_map_grant_ref_t {
  u64 host_addr = 0;  ///< where to map: a virtual address, or an entry's machine address
  u32 flags = 0;      ///< GNTMAP_*
  u32 ref = 0;
  domid_t dom = 0;       ///< whose grant
  s16 status = 0;        ///< out
  u32 handle = 0;        ///< out, on success: what unmaps it
  u64 dev_bus_addr = 0;  ///< out, on success: the frame's machine address
};

struct gnttab_unmap_grant_ref_t {
  u64 host_addr = 0;     ///< 0: leave the host mapping
  u64 dev_bus_addr = 0;  ///< 0: leave the device mapping
  u32 handle = 0;
  s16 status = 0;  ///< out
};

struct gnttab_set_version_t {
  u32 version = 0;  ///< in: 1 or 2; out: what the table has now, whatever the call returned
};

struct gnttab_get_status_frames_t {
  u32 nr_frames = 0;  ///< so many, from the first on
  domid_t dom = DOMID_SELF;
  s16 status = 0;               ///< out
  std::span<u64> frame_list{};  ///< out: their mfns; what of it can be written
};

/// "GNTST_bad_page" for -9; "" for numbers that are no status.
constexpr std::string_view grant_status_name(s16 status) {
  switch (static_cast<grant_status>(status)) {
    case GNTST_okay: return "GNTST_okay";
    case GNTST_general_error: return "GNTST_general_error";
    case GNTST_bad_domain: return "GNTST_bad_domain";
    case GNTST_bad_gntref: return "GNTST_bad_gntref";
    case GNTST_bad_handle: return "GNTST_bad_handle";
    case GNTST_bad_virt_addr: return "GNTST_bad_virt_addr";
    case GNTST_bad_dev_addr: return "GNTST_bad_dev_addr";
    case GNTST_permission_denied: return "GNTST_permission_denied";
    case GNTST_bad_page: return "GNTST_bad_page";
    case GNTST_no_space: return "GNTST_no_space";
  }
  return "";
}

}  // namespace pvmmu
