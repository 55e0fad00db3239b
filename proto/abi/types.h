#pragma once
// Short names for fixed-width integers: the tables of this field are made of 64-bit words.

#include <cstddef>
#include <cstdint>

namespace pvmmu {

using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using s16 = std::int16_t;
using s32 = std::int32_t;
using s64 = std::int64_t;

/// A domain's number. DOMID_* below are the reserved ones (xen public/xen.h).
using domid_t = u16;
inline constexpr domid_t DOMID_FIRST_RESERVED = 0x7ff0;
inline constexpr domid_t DOMID_SELF = 0x7ff0;
inline constexpr domid_t DOMID_IO = 0x7ff1;
inline constexpr domid_t DOMID_XEN = 0x7ff2;
inline constexpr domid_t DOMID_INVALID = 0x7ff4;

/// A virtual CPU's number within its domain. A domain has at most 64, so that a set of them is one word.
using vcpu_id_t = u32;
inline constexpr u32 max_vcpus_per_domain = 64;

}  // namespace pvmmu
