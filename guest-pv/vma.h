#pragma once
// A process's memory areas: where it has memory, and what it may do with it.

#include <map>
#include <vector>

#include "guest-pv/kernel.h"

namespace pvmmu::guest {

/// One area of anonymous private memory, [start, end) in bytes.
struct vma {
  u64 start = 0;
  u64 end = 0;
  prot access = prot::none;
  u64 pgoff = 0;          ///< in pages; of memory that never moved, its own address
  bool anon_vma = false;  ///< a page of its own was faulted in once: it may have moved, and pgoff stays

  bool writable() const { return access == prot::read_write; }
};

/// The areas of one address space; they do not overlap.
class vma_tree {
 public:
  using map = std::map<u64, vma>;

  /// The area that `va` lies in, nullptr if none.
  const vma* find(u64 va) const;
  vma* find(u64 va);
  /// The first area that ends after `va`.
  map::const_iterator first_after(u64 va) const;
  map::const_iterator begin() const { return areas_.begin(); }
  map::const_iterator end() const { return areas_.end(); }
  bool intersects(u64 start, u64 end) const;

  /// Adds an area where none is, and merges it with neighbours that continue it.
  void insert(const vma& area);
  /// Takes [start, end) out, splitting areas that reach beyond; returns what was taken, ascending.
  std::vector<vma> remove(u64 start, u64 end);

 private:
  void split_at(u64 va);
  map areas_;
};

}  // namespace pvmmu::guest
