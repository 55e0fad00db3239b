#include "guest-pv/fault.h"

#include <fmt/format.h>

#include <cassert>
#include <cerrno>

#include "guest-pv/expand_stack.h"
#include "guest-pv/file_fault.h"
#include "guest-pv/hugetlb.h"
#include "guest-pv/pgalloc.h"
#include "guest-pv/tlb.h"

namespace pvmmu::guest {
namespace {

constexpr int sigsegv = 11;

mm_error segfault(const mm& mm, u64 va, fault_kind kind) {
  const char* access = kind == fault_kind::write ? "write" : "read";
  const char* why = mm.vmas.find(va) ? "the area does not permit it" : "nothing is mapped there";
  return {sigsegv, fmt::format("SIGSEGV: {} at {:#x}: {}", access, va, why)};
}

bool permits(const vma& area, fault_kind kind) { return kind == fault_kind::write ? area.writable() : area.readable(); }

// Reads of untouched memory get the zero page; writes, and what was never asked for otherwise, a page of one's own.
void do_anonymous_page(kernel_state& k, const vma& area, entry_ref pte, fault_kind kind) {
  u64 flags = vm_page_prot(area);
  if (kind == fault_kind::read) return set_pte_at(k, pte, k.pv->make_pte(zero_pfn, flags | PAGE_SPECIAL));
  set_pte_at(k, pte, k.pv->make_pte(k.tables.alloc_zeroed_page(), flags | written_flags(k)));
}

// wp_page_copy: the old entry is cleared and flushed before the new one is set. The zero page needs no copying.
void wp_page_copy(kernel_state& k, mm& mm, vma& area, u64 va, entry_ref pte, pfn_t old) {
  mm.vmas.anon_vma_prepare(area);
  const pfn_t copy = old == zero_pfn ? k.tables.alloc_zeroed_page() : k.pages.alloc_pages();
  if (old != zero_pfn) k.tables.copy_page(copy, old);
  k.tables.native_get_and_clear(pte, "ptep_clear_flush");
  flush_tlb_mm_range(k, mm, va, va + PAGE_SIZE, PAGE_SHIFT);
  set_pte_at(k, pte, k.pv->make_pte(copy, vm_page_prot(area) | written_flags(k)));
  if (old != zero_pfn) k.pages.put_page(old);
}

// wp_page_reuse: nobody else has the page, so it becomes writable (ptep_set_access_flags).
void wp_page_reuse(kernel_state& k, entry_ref pte, pte_t entry) {
  k.pages[frame_of(k, entry)].anon_exclusive = true;
  k.pv->set_pte(pte, (entry & ~PAGE_SAVED_DIRTY) | written_flags(k) | PAGE_ACCESSED);
}

// A page that others map too, or that is a file's, is copied. After a fork the first to write copies, and the last
// finds itself alone (wp_can_reuse_anon_folio: the page's only reference is this entry's).
void do_wp_page(kernel_state& k, mm& mm, vma& area, u64 va, entry_ref pte, pte_t entry) {
  const pfn_t page = frame_of(k, entry);
  if (page != zero_pfn && k.pages[page].refs == 1) return wp_page_reuse(k, pte, entry);
  wp_page_copy(k, mm, area, va, pte, page);
}

/// The entry at `va` is none. A userfaultfd's monitor is told, and the fault waits for it (handle_userfault).
mm_result<void> do_pte_missing(kernel_state& k, mm& mm, vma& area, u64 va, entry_ref pte, fault_kind kind) {
  if (area.uffd) {
    return refused(EBUSY, fmt::format("-EBUSY: the fault at {:#x} waits for userfaultfd", va));
  }
  if (kind == fault_kind::write && area.kind != vma_kind::shared) mm.vmas.anon_vma_prepare(area);
  if (area.kind != vma_kind::anonymous) return do_fault(k, area, va, pte, kind);
  do_anonymous_page(k, area, pte, kind);
  return {};
}

mm_result<void> handle_pte_fault(kernel_state& k, mm& mm, vma& area, u64 va, fault_kind kind) {
  const entry_ref pte = alloc_entry(k, mm, va, 1);
  if (none(k, pte)) return do_pte_missing(k, mm, area, va, pte, kind);
  const pte_t entry = k.tables.load(pte);
  if (kind == fault_kind::read || (entry & PAGE_RW) != 0) return {};  // somebody was faster, or the fault was spurious
  do_wp_page(k, mm, area, va & ~PAGE_OFFSET_MASK, pte, entry);
  return {};
}

/// get_user_pages: the access through the direct map; nothing if the page has to be faulted in first.
std::optional<u64> access_remote(kernel_state& k, mm& mm, u64 va, fault_kind kind, u64 value) {
  const std::optional<entry_ref> pte = find_entry(k, mm, va, 1);
  if (!pte) return std::nullopt;
  const pte_t entry = k.tables.load(*pte);
  if (!present(entry) || (kind == fault_kind::write && (entry & PAGE_RW) == 0)) return std::nullopt;
  const pfn_t pfn = frame_of(k, entry);
  const auto word = static_cast<unsigned>((va & PAGE_OFFSET_MASK) / 8);
  if (kind == fault_kind::read) return k.tables.load_word(pfn, word);
  k.tables.store_word(pfn, word, value);
  return value;
}

/// The process's own access; nothing if it faulted.
std::optional<u64> access_local(kernel_state& k, mm& mm, u64 va, fault_kind kind, u64 value) {
  const bool write = kind == fault_kind::write;
  const access_result result = k.cpu.user_access(write ? access_kind::write : access_kind::read, va, value);
  if (result.fault) return std::nullopt;
  if (write) {
    if (const auto pte = find_entry(k, mm, va, 1)) {
      k.tables.touched_by_others(pte_mfn(k.tables.read(*pte)), static_cast<unsigned>((va & PAGE_OFFSET_MASK) / 8));
    }
  }
  return write ? value : result.value;
}

}  // namespace

// PAGE_NONE is absent by a bit of its own, _PAGE_PROTNONE, which is the global bit. Shared memory needs no fault to
// know what is dirty (vma_wants_writenotify: tmpfs writes nothing back).
u64 vm_page_prot(const vma& area) {
  if (area.access == prot::none) return PAGE_GLOBAL | PAGE_ACCESSED;
  return PAGE_PRESENT | PAGE_USER | PAGE_ACCESSED | (may_execute(area.access) ? 0 : PAGE_NX) |
         (area.kind == vma_kind::shared && area.writable() ? PAGE_RW : 0);
}

mm_result<void> handle_mm_fault(kernel_state& k, mm& mm, u64 va, fault_kind kind) {
  vma* const area = find_vma_expanding(mm, va);
  if (!area || !permits(*area, kind)) return std::unexpected(segfault(mm, va, kind));
  if (area->huge) return hugetlb_fault(k, mm, *area, va);
  return handle_pte_fault(k, mm, *area, va, kind);
}

mm_result<u64> access_user_memory(kernel_state& k, mm& mm, u64 va, fault_kind kind, u64 value) {
  const tlb_state& tlb = k.this_cpu_tlb();
  const bool local = tlb.loaded_mm == &mm && !tlb.is_lazy;
  // A read, then a write, then a protection may each need a fault; more get nowhere.
  constexpr int most_faults = 4;
  for (int fault = 0; fault < most_faults; ++fault) {
    const auto done = local ? access_local(k, mm, va, kind, value) : access_remote(k, mm, va, kind, value);
    if (done) return *done;
    if (auto handled = handle_mm_fault(k, mm, va, kind); !handled) return std::unexpected(handled.error());
  }
  return std::unexpected(mm_error{faults_for_ever, fmt::format("the access at {:#x} faults for ever: {} times, and the "
                                                               "page's entry is not what was set",
                                                               va, most_faults)});
}

}  // namespace pvmmu::guest
