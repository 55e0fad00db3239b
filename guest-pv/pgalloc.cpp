#include "guest-pv/pgalloc.h"

#include <fmt/format.h>

#include <cassert>

namespace pvmmu::guest {
namespace {

constexpr u64 PAGE_TABLE = PAGE_PRESENT | PAGE_RW | PAGE_USER | PAGE_ACCESSED | PAGE_DIRTY;  ///< _PAGE_TABLE

/// CONFIG_PAGE_TABLE_ISOLATION doubles the pgd, though under Xen the second frame is never used.
unsigned pgd_allocation_order(const kernel_state& k) { return k.config.page_table_isolation ? 1 : 0; }

/// An entry that stays empty although it was set: Xen would not have the table, and nobody looked at its answer. Linux
/// goes on, in page 0, for which it takes the empty entry; here it ends.
[[noreturn]] void table_refused(unsigned level) {
  throw guest_stopped(guest_stopped::reason::bug,
                      fmt::format("an L{} entry is empty after a new table was hooked in: Xen refused it", level));
}

}  // namespace

bool none(kernel_state& k, entry_ref e) { return k.tables.read(e) == 0; }

pfn_t frame_of(kernel_state& k, pte_t entry) {
  if (const auto pfn = k.pv->pte_pfn(entry)) return *pfn;
  k.cpu.printk(fmt::format("BUG: Bad page map: {:016x}", entry));
  throw guest_stopped(guest_stopped::reason::bug,
                      fmt::format("the entry {:016x} refers to a frame that is not the kernel's", entry));
}

pfn_t table_below(kernel_state& k, entry_ref e) { return frame_of(k, k.tables.read(e)); }

std::optional<entry_ref> find_entry(kernel_state& k, const mm& mm, u64 va, unsigned level) {
  entry_ref e{mm.pgd, table_slot(va, 4)};
  for (unsigned at = 4; at > level; --at) {
    if (none(k, e)) return std::nullopt;
    e = {table_below(k, e), table_slot(va, at - 1)};
  }
  return e;
}

void set_entry(kernel_state& k, entry_ref e, unsigned level, pte_t value) {
  switch (level) {
    case 2: return k.pv->set_pmd(e, value);
    case 3: return k.pv->set_pud(e, value);
    case 4: return k.pv->set_p4d(e, value);
    default: assert(false);
  }
}

void populate(kernel_state& k, mm& mm, entry_ref e, unsigned level, pfn_t table) {
  k.pv->alloc_ptpage(mm, table, level - 1);
  set_entry(k, e, level, k.pv->make_pte(table, PAGE_TABLE));
}

entry_ref alloc_entry(kernel_state& k, mm& mm, u64 va, unsigned level) {
  entry_ref e{mm.pgd, table_slot(va, 4)};
  for (unsigned at = 4; at > level; --at) {
    if (none(k, e)) populate(k, mm, e, at, k.tables.alloc_zeroed_page());
    if (none(k, e)) table_refused(at);
    e = {table_below(k, e), table_slot(va, at - 1)};
  }
  return e;
}

void set_pte_at(kernel_state& k, entry_ref e, pte_t value) {
  if (!k.profile().set_ptes_enters_lazy) return k.pv->set_pte(e, value);
  k.pv->enter_lazy_mmu();
  k.pv->set_pte(e, value);
  k.pv->leave_lazy_mmu();
}

void pgd_alloc(kernel_state& k, mm& mm) {
  mm.pgd = k.tables.alloc_zeroed_page(pgd_allocation_order(k));
  k.pv->pgd_alloc(mm);
  for (unsigned slot = last_xen_slot + 1; slot < entries_per_table; ++slot) {
    const pte_t entry = k.tables.read({k.init_mm.pgd, slot});
    if (entry != 0) k.tables.native_set({mm.pgd, slot}, entry, "pgd_ctor");
  }
}

void pgd_free(kernel_state& k, mm& mm) {
  k.pv->pgd_free(mm);
  k.pages.free_pages(mm.pgd, pgd_allocation_order(k));
}

}  // namespace pvmmu::guest
