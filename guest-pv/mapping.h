#pragma once
// What mmap is asked for.

#include <string>

#include "proto/abi/types.h"

namespace pvmmu::guest {

/// PROT_READ, PROT_WRITE and PROT_EXEC in Linux's bits.
enum class prot : u8 { none = 0, read = 1, read_write = 3, read_exec = 5 };
constexpr bool may_write(prot p) { return (static_cast<u8>(p) & 2) != 0; }
constexpr bool may_execute(prot p) { return (static_cast<u8>(p) & 4) != 0; }

/// Where an area's pages come from.
enum class vma_kind : u8 {
  anonymous,  ///< nowhere: a private page of zeroes at the first write, the zero page before
  shared,     ///< MAP_SHARED|MAP_ANONYMOUS: an unnamed file of tmpfs, whose pages all who inherited the area see
  file,       ///< MAP_PRIVATE of a file: its page-cache pages, read-only, until a write makes a copy
  special,    ///< pages of the kernel's own, like the vdso's: inherited, never freed
};

/// A mapping at a fixed place; `prot` alone stands for anonymous private memory.
struct mapping {
  prot access = prot::read_write;
  vma_kind kind = vma_kind::anonymous;  ///< not `special`: those only the kernel itself installs
  std::string file{};                   ///< of vma_kind::file: the name that create_file gave it
  u64 pgoff = 0;                        ///< of vma_kind::file: where in it the mapping begins, in pages
  bool grows_down = false;              ///< MAP_GROWSDOWN
  bool locked = false;                  ///< MAP_LOCKED
  bool huge = false;                    ///< MAP_HUGETLB, of vma_kind::shared

  mapping(prot p = prot::read_write) : access(p) {}  // NOLINT(google-explicit-constructor): one stands for the other
};

}  // namespace pvmmu::guest
