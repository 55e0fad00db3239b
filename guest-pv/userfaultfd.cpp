#include "guest-pv/userfaultfd.h"

#include <fmt/format.h>

#include <cerrno>

#include "guest-pv/fault.h"
#include "guest-pv/mmap.h"
#include "guest-pv/pgalloc.h"
#include "guest-pv/tlb.h"

namespace pvmmu::guest {
namespace {

/// The registered area that all of [va, va + len) lies in, nullptr if there is none.
vma* find_dst_vma(mm& mm, u64 va, u64 len) {
  vma* const area = mm.vmas.find(va);
  return area && area->uffd && len <= area->end - va ? area : nullptr;
}

/// The first page of the source is faulted in like any that the kernel reads for a process (copy_from_user).
mm_result<pfn_t> readable_page(kernel_state& k, mm& mm, u64 va) {
  if (auto read = access_user_memory(k, mm, va, fault_kind::read, 0); !read) {
    return refused(EFAULT, "-EFAULT: " + read.error().text);
  }
  return frame_of(k, k.tables.read(*find_entry(k, mm, va, 1)));
}

/// mfill_atomic_pte_copy, mfill_atomic_install_pte.
mm_result<void> copy_one(kernel_state& k, mm& mm, vma& area, u64 dst, u64 src) {
  const entry_ref pte = alloc_entry(k, mm, dst, 1);
  const auto from = readable_page(k, mm, src);
  if (!from) return std::unexpected(from.error());
  if (!none(k, pte)) return refused(EEXIST, fmt::format("-EEXIST: a page is at {:#x} already", dst));
  const pfn_t page = k.pages.alloc_pages();
  k.tables.copy_page(page, *from);
  u64 flags = vm_page_prot(area) | soft_dirty(k) | dirty_flag(k, area.writable());
  if (area.writable()) flags |= PAGE_RW;
  if (area.kind == vma_kind::shared) {
    area.file->pages[area.pgoff_of(dst)] = page;
    k.pages.get_page(page);
  }
  set_pte_at(k, pte, k.pv->make_pte(page, flags));
  return {};
}

/// validate_move_areas.
bool may_move(const vma& from, const vma& to) {
  return from.kind == vma_kind::anonymous && to.kind == vma_kind::anonymous && from.access == to.access &&
         from.writable() && from.locked == to.locked;
}

/// ptep_clear_flush of the old entry, then the new one: move_zeropage_pte, or move_present_pte with the dirty bit as
/// the processor left it.
void move_one(kernel_state& k, mm& mm, const vma& area, entry_ref to, entry_ref from, u64 src) {
  const pte_t old = k.tables.native_get_and_clear(from, "ptep_clear_flush");
  flush_tlb_mm_range(k, mm, src, src + PAGE_SIZE, PAGE_SHIFT);
  u64 flags = vm_page_prot(area);
  if ((old & PAGE_SPECIAL) != 0) {
    flags |= PAGE_SPECIAL;
  } else {
    flags |= soft_dirty(k) | PAGE_RW | ((old & (PAGE_DIRTY | PAGE_SAVED_DIRTY)) != 0 ? PAGE_DIRTY : 0);
  }
  set_pte_at(k, to, k.pv->make_pte(frame_of(k, old), flags));
}

/// move_pages_pte: the destination's tables are made whatever becomes of the page.
mm_result<void> move_page(kernel_state& k, mm& mm, const vma& area, u64 dst, u64 src) {
  const auto hole = [&] { return refused(ENOENT, fmt::format("-ENOENT: no page at {:#x}", src)); };
  if (!find_entry(k, mm, src, 2)) return hole();
  const entry_ref pmd = alloc_entry(k, mm, dst, 2);
  const auto from = find_entry(k, mm, src, 1);
  if (!from) return hole();
  if (none(k, pmd)) populate(k, mm, pmd, 2, k.tables.alloc_zeroed_page());
  const entry_ref to{table_below(k, pmd), table_slot(dst, 1)};
  if (!none(k, to)) return refused(EEXIST, fmt::format("-EEXIST: a page is at {:#x} already", dst));
  if (none(k, *from)) return hole();
  const pte_t entry = k.tables.read(*from);
  if ((entry & PAGE_SPECIAL) == 0 &&
      !(k.pages[frame_of(k, entry)].refs == 1 && k.pages[frame_of(k, entry)].anon_exclusive)) {
    return refused(EBUSY, fmt::format("-EBUSY: others have, or had, the page at {:#x} too", src));
  }
  move_one(k, mm, area, to, *from, src);
  return {};
}

}  // namespace

mm_result<void> userfaultfd_register(kernel_state&, mm& mm, u64 va, u64 len) {
  if (auto valid = check_user_range(va, len); !valid) return valid;
  for (auto area = mm.vmas.first_after(va); area != mm.vmas.end() && area->second.start < va + len; ++area) {
    if (area->second.kind == vma_kind::anonymous || area->second.kind == vma_kind::shared) continue;
    return refused(EINVAL, fmt::format("-EINVAL: the area at {:#x} is a file's or the kernel's", area->second.start));
  }
  const std::vector<vma> areas = mm.vmas.remove(va, va + len);
  if (areas.empty()) return refused(EINVAL, fmt::format("-EINVAL: nothing is mapped at {:#x}", va));
  for (vma area : areas) {
    area.uffd = true;
    mm.vmas.insert(area);
  }
  return {};
}

mm_result<void> uffdio_copy(kernel_state& k, mm& mm, u64 dst, u64 src, u64 len) {
  if (auto valid = check_user_range(dst, len); !valid) return valid;
  if (auto valid = check_user_range(src, len); !valid) return valid;
  vma* const area = find_dst_vma(mm, dst, len);
  if (!area) return refused(ENOENT, fmt::format("-ENOENT: no userfaultfd watches {:#x} bytes at {:#x}", len, dst));
  if (area->kind == vma_kind::anonymous) mm.vmas.anon_vma_prepare(*area);
  for (u64 at = 0; at < len; at += PAGE_SIZE) {
    if (auto done = copy_one(k, mm, *area, dst + at, src + at); !done) return done;
  }
  return {};
}

mm_result<void> uffdio_move(kernel_state& k, mm& mm, u64 dst, u64 src, u64 len) {
  if (!k.profile().userfaultfd_moves) return refused(EINVAL, "-EINVAL: the kernel has no UFFDIO_MOVE");
  if (auto valid = check_user_range(dst, len); !valid) return valid;
  if (auto valid = check_user_range(src, len); !valid) return valid;
  vma* const to = find_dst_vma(mm, dst, len);
  const vma* const from = mm.vmas.find(src);
  if (!to || !from || len > from->end - src || !may_move(*from, *to)) {
    return refused(EINVAL, fmt::format("-EINVAL: {:#x} bytes at {:#x} cannot move to {:#x}", len, src, dst));
  }
  mm.vmas.anon_vma_prepare(*to);
  for (u64 at = 0; at < len; at += PAGE_SIZE) {
    if (auto done = move_page(k, mm, *to, dst + at, src + at); !done) return done;
  }
  return {};
}

}  // namespace pvmmu::guest
