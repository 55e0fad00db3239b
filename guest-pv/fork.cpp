#include "guest-pv/fork.h"

#include <fmt/format.h>

#include "guest-pv/fault.h"
#include "guest-pv/folio_pte_batch.h"
#include "guest-pv/pgalloc.h"
#include "guest-pv/tlb.h"

namespace pvmmu::guest {
namespace {

class page_range_copier {
 public:
  page_range_copier(kernel_state& k, mm& child, const vma& area) : k_(k), child_(child), area_(area) {}

  /// What lies below the parent's table of `level`, in [va, end).
  void copy(pfn_t table, unsigned level, u64 va, u64 end);

 private:
  void copy_pte_range(pfn_t from, pfn_t to, u64 va, u64 end);
  void copy_entry(pte_t pte, entry_ref from, entry_ref to);
  void take_reference(pfn_t page);
  unsigned copy_present_ptes(entry_ref from, entry_ref to, unsigned most);
  void take_references(pfn_t page, unsigned n);
  bool is_cow_mapping() const { return area_.kind != vma_kind::shared; }

  kernel_state& k_;
  mm& child_;
  const vma& area_;
};

// Since entries have a saved dirty bit, the dirty bit must leave together with the writable one.
pte_t pte_wrprotect(const kernel_profile& p, pte_t pte) {
  pte &= ~PAGE_RW;
  return p.saved_dirty && (pte & PAGE_DIRTY) != 0 ? (pte & ~PAGE_DIRTY) | PAGE_SAVED_DIRTY : pte;
}

// linux 6.1 arch/x86/include/asm/pgtable.h; 6.6 on: a cmpxchg of the whole entry. Not paravirtualised: Xen emulates it.
void ptep_set_wrprotect(kernel_state& k, entry_ref e) {
  constexpr std::string_view caller = "ptep_set_wrprotect";
  if (!k.profile().saved_dirty) return k.tables.native_clear_low_bit(e, PAGE_RW, k.config.vcpus > 1, caller);
  k.tables.native_update(e, [&](pte_t old) { return pte_wrprotect(k.profile(), old); }, caller);
}

// pte_mkold: the child has not used the page yet. A page that may be written is protected on both sides.
void page_range_copier::copy_entry(pte_t pte, entry_ref from, entry_ref to) {
  if (is_cow_mapping() && (pte & PAGE_RW) != 0) {
    ptep_set_wrprotect(k_, from);
    pte = pte_wrprotect(k_.profile(), pte);
  }
  if (!is_cow_mapping()) pte &= ~(PAGE_DIRTY | PAGE_SAVED_DIRTY);
  set_pte_at(k_, to, pte & ~PAGE_ACCESSED);
}

void page_range_copier::take_reference(pfn_t page) {
  k_.pages.get_page(page);
  if (is_cow_mapping()) k_.pages[page].anon_exclusive = false;
}

// folio_ref_add, and folio_dup_file_rmap_ptes with CONFIG_DEBUG_VM, which tells. What is taken of pages behind the
// folio's end is the folio's all the same.
void page_range_copier::take_references(pfn_t page, unsigned n) {
  const pfn_t folio = k_.pages[page].folio.value();
  for (unsigned i = 0; i < n; ++i) take_reference(k_.pages[page + i].folio == folio ? page + i : folio);
  if (k_.pages[page + (n - 1)].folio == folio) return;
  u32 refs = 0;
  for (u32 i = 0; i < k_.pages[folio].folio_pages; ++i) refs += k_.pages[folio + i].refs;
  k_.cpu.printk(fmt::format("page: refcount:{} pfn:{:#x}", refs, page.n));
  k_.cpu.printk("page dumped because: VM_WARN_ON_FOLIO(page_folio(page + nr_pages - 1) != folio)");
}

/// Returns how many were copied: more than one only of a large folio.
unsigned page_range_copier::copy_present_ptes(entry_ref from, entry_ref to, unsigned most) {
  const pte_t pte = k_.tables.load(from);
  const auto page = (pte & PAGE_SPECIAL) == 0 ? k_.pv->pte_pfn(pte) : std::nullopt;
  const bool batches = page && present(pte) && k_.pages[*page].folio && k_.profile().pte_batch_end != pte_batch::single;
  if (!batches) {
    if (page) take_reference(*page);
    copy_entry(pte, from, to);
    return 1;
  }
  const unsigned n = folio_pte_batch(k_, from, pte, most);
  take_references(*page, n);
  for (unsigned i = 0; i < n; ++i) {
    const entry_ref each{from.table, from.slot + i};
    copy_entry(k_.tables.load(each), each, {to.table, to.slot + i});
  }
  return n;
}

void page_range_copier::copy_pte_range(pfn_t from, pfn_t to, u64 va, u64 end) {
  k_.pv->enter_lazy_mmu();
  for (unsigned n = 1; va != end; va += n * PAGE_SIZE) {
    const unsigned slot = table_slot(va, 1);
    const auto most = static_cast<unsigned>((end - va) >> PAGE_SHIFT);
    n = none(k_, {from, slot}) ? 1 : copy_present_ptes({from, slot}, {to, slot}, most);
  }
  k_.pv->leave_lazy_mmu();
}

// The child gets a table wherever the parent has one, though it may stay empty.
void page_range_copier::copy(pfn_t table, unsigned level, u64 va, u64 end) {
  const pfn_t to = alloc_entry(k_, child_, va, level).table;
  if (level == 1) return copy_pte_range(table, to, va, end);
  for (u64 next = va; va != end; va = next) {
    next = entry_end(va, end, level);
    const entry_ref e{table, table_slot(va, level)};
    if (!none(k_, e)) copy(table_below(k_, e), level - 1, va, next);
  }
}

/// vma_needs_copy: what faults would fill as it was is left to them.
bool needs_copy(const vma& area) { return area.pfnmap || area.anon_vma != 0; }

}  // namespace

void dup_mmap(kernel_state& k, mm& child, mm& parent) {
  child.start_brk = parent.start_brk;
  child.brk = parent.brk;
  for (const auto& [start, area] : parent.vmas) {
    vma copied = area;
    copied.locked = false;
    copied.uffd = false;
    child.vmas.add_clone(copied);
    if (needs_copy(area)) page_range_copier(k, child, area).copy(parent.pgd, 4, area.start, area.end);
  }
  k.pv->dup_mmap(child);
  flush_tlb_mm_range(k, parent, 0, TLB_FLUSH_ALL, PAGE_SHIFT);
}

}  // namespace pvmmu::guest
