#pragma once
// Frame numbers and addresses as types that do not mix: a machine frame (mfn) is what Xen counts,
// a pseudo-physical frame (pfn) is what the guest's kernel counts. Virtual addresses are plain u64, always named va.

#include <compare>
#include <functional>

#include "proto/abi/types.h"

namespace pvmmu {

inline constexpr u64 PAGE_SHIFT = 12;
inline constexpr u64 PAGE_SIZE = u64{1} << PAGE_SHIFT;
inline constexpr u64 PAGE_OFFSET_MASK = PAGE_SIZE - 1;

/// A number that only compares and counts with its own kind.
template <class Kind>
struct frame_number {
  u64 n = 0;
  friend constexpr auto operator<=>(frame_number, frame_number) = default;
  friend constexpr frame_number operator+(frame_number f, u64 frames) { return {f.n + frames}; }
  constexpr frame_number& operator++() {
    ++n;
    return *this;
  }
};

using mfn_t = frame_number<struct machine_frame>;
using pfn_t = frame_number<struct pseudo_physical_frame>;

/// What Xen stores where no frame is meant: all ones, and what a PTE can hold of it.
inline constexpr mfn_t INVALID_MFN{~u64{0}};
inline constexpr pfn_t INVALID_PFN{~u64{0}};

/// A machine address in bytes.
struct maddr_t {
  u64 bytes = 0;
  friend constexpr auto operator<=>(maddr_t, maddr_t) = default;
};

constexpr maddr_t mfn_to_maddr(mfn_t mfn, u64 offset = 0) { return {(mfn.n << PAGE_SHIFT) + offset}; }
constexpr mfn_t maddr_to_mfn(maddr_t m) { return {m.bytes >> PAGE_SHIFT}; }

}  // namespace pvmmu

template <class Kind>
struct std::hash<pvmmu::frame_number<Kind>> {
  std::size_t operator()(pvmmu::frame_number<Kind> f) const noexcept { return std::hash<pvmmu::u64>{}(f.n); }
};
