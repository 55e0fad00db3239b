#pragma once
// Frames that the kernel maps once more, side by side, in its vmalloc area: linux 6.1 mm/vmalloc.c.
//
// Addresses are handed out upwards and not used again, and no purge comes by itself, however much was unmapped.

#include <map>
#include <span>
#include <vector>

#include "proto/abi/frame.h"

namespace pvmmu::guest {

struct kernel_state;

inline constexpr u64 VMALLOC_START = 0xffffc90000000000;  ///< without KASLR
inline constexpr u64 VMALLOC_END = VMALLOC_START + (u64{1} << 45);
constexpr bool is_vmalloc_addr(u64 va) { return VMALLOC_START <= va && va < VMALLOC_END; }

/// What is mapped there, and what was.
struct vmap_areas {
  struct area {
    u64 start = 0;
    u64 pages = 0;
    bool cleared = false;  ///< its entries are gone, only its translations may linger
  };
  u64 next = VMALLOC_START;
  std::map<u64, area> used{};        ///< by address
  std::vector<area> lazily_freed{};  ///< until the next purge
};

/// Maps `pages` writable, with an unmapped page behind them. Returns the address of the first.
u64 vmap(kernel_state& k, std::span<const pfn_t> pages);
/// The other way round, lazily: the translations, and in old kernels the entries too, stay until the next purge. False
/// where nothing was mapped.
bool vunmap(kernel_state& k, u64 va);
/// The purge: afterwards nothing is left of what was unmapped.
void vm_unmap_aliases(kernel_state& k);

}  // namespace pvmmu::guest
