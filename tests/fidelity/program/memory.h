#pragma once
// What the workloads do to memory, a system call or an access each. Sizes are in bytes.

#include <linux/mman.h>

#include <initializer_list>

#include "tests/fidelity/program/system_call.h"

namespace pvmmu::workload {

inline constexpr u64 page = 0x1000;
inline constexpr u64 kib = 1024;
inline constexpr u64 mib = 1024 * kib;
inline constexpr u64 gib = 1024 * mib;

// Each in an L4 entry of its own, away from what the kernel maps for a process.
inline constexpr u64 mark = 0x100000000000;
inline constexpr u64 arena = 0x200000000000;
inline constexpr u64 destination = 0x300000000000;

/// MAP_NORESERVE: some areas are larger than the machine, and few of their pages are touched.
inline void map(u64 va, u64 bytes, u64 protection = PROT_READ | PROT_WRITE, u64 sharing = MAP_PRIVATE) {
  must("mmap",
       system_call(__NR_mmap, va, bytes, protection, MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE | sharing, -1, 0));
}

inline void unmap(u64 va, u64 bytes) { must("munmap", system_call(__NR_munmap, va, bytes)); }

inline void protect(u64 va, u64 bytes, u64 protection) {
  must("mprotect", system_call(__NR_mprotect, va, bytes, protection));
}

inline void move(u64 from, u64 to, u64 old_bytes, u64 new_bytes) {
  must("mremap", system_call(__NR_mremap, from, old_bytes, new_bytes, MREMAP_MAYMOVE | MREMAP_FIXED, to));
}

inline void move(u64 from, u64 to, u64 bytes) { move(from, to, bytes, bytes); }

/// Writes to the page at `va`.
inline void write(u64 va) { *reinterpret_cast<volatile u64*>(va) = va; }

inline void read(u64 va) { static_cast<void>(*reinterpret_cast<const volatile u64*>(va)); }

/// Writes to each page of [va, va + bytes).
inline void touch(u64 va, u64 bytes) {
  for (u64 at = va; at < va + bytes; at += page) write(at);
}

}  // namespace pvmmu::workload
