#pragma once
// A process's memory areas: where it has memory, and what it may do with it.

#include <algorithm>
#include <map>
#include <memory>
#include <vector>

#include "guest-pv/mapping.h"
#include "guest-pv/page_cache.h"

namespace pvmmu::guest {

/// One memory area, [start, end) in bytes.
struct vma {
  u64 start = 0;
  u64 end = 0;
  prot access = prot::none;
  u64 pgoff = 0;        ///< in pages: of the file; of anonymous memory that never moved, its own address
  u32 anon_vma = 0;     ///< which anon_vma finds its pages; 0: it never had any of its own, and pgoff may follow it
  bool cloned = false;  ///< fork made it: its anon_vma has a parent's beside it
  vma_kind kind = vma_kind::anonymous;
  std::shared_ptr<page_cache> file{};  ///< what it maps, unless it is anonymous
  bool pfnmap = false;                 ///< VM_PFNMAP: special, of frames without a struct page, like vvar's
  bool grows_down = false;             ///< VM_GROWSDOWN: a stack
  bool locked = false;                 ///< VM_LOCKED
  bool huge = false;                   ///< VM_HUGETLB: of huge pages
  bool uffd = false;                   ///< VM_UFFD_MISSING: what is missing is a userfaultfd's to bring

  u64 pages() const { return (end - start) >> PAGE_SHIFT; }
  bool readable() const { return access != prot::none; }
  bool writable() const { return may_write(access); }
  /// Of the file of its own, or by its address: the page's place at `va`.
  u64 pgoff_of(u64 va) const { return pgoff + ((va - start) >> PAGE_SHIFT); }
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
  /// Where the areas that follow each other from `va` on without a hole end; `va` itself if none is there.
  u64 end_of_run(u64 va) const;

  /// Adds an area where none is, and merges it with neighbours that continue it.
  void insert(const vma& area);
  /// The same without merging, as fork does it; an area with an anon_vma gets one of this address space's.
  void add_clone(vma area);
  /// anon_vma_prepare: before a page of its own is mapped in `area`, which is one of the tree's.
  void anon_vma_prepare(vma& area);
  /// Gives the areas of [start, end), which has no holes, other flags, one by one as mprotect and mlock do it: a piece
  /// that `change` alters (it says so) is merged with its neighbours as they are then, and handed to `changed`. What it
  /// merged with behind it is not looked at any more.
  template <class Change, class Changed>
  void modify(u64 start, u64 end, Change&& change, Changed&& changed) {
    for (u64 at = start; at < end; at = find(at)->end) {
      vma piece = *find(at);
      piece.pgoff = piece.pgoff_of(at);
      piece.start = at;
      piece.end = std::min(piece.end, end);
      if (!change(piece)) continue;
      remove(piece.start, piece.end);
      insert(piece);
      changed(piece);
    }
  }
  /// Takes [start, end) out, splitting areas that reach beyond; returns what was taken, ascending.
  std::vector<vma> remove(u64 start, u64 end);

 private:
  void split_at(u64 va);
  map areas_;
  u32 last_anon_vma_ = 0;
};

}  // namespace pvmmu::guest
