#include "guest-pv/pgtable.h"

namespace pvmmu::guest {

void page_tables::know(entry_ref e, pte_t value) {
  page& pg = pages_[e.table];
  pg.maybe_nonzero.set(e.slot, value != 0);
  if (value == 0) return;
  if (!pg.entries) {
    pg.entries = std::make_unique<known_entries>();
    known_tables_.push_back(e.table);
  }
  pg.entries->value[e.slot] = value;
  pg.entries->known.set(e.slot);
}

void page_tables::forget_all() {
  for (pfn_t table : known_tables_) pages_[table].entries.reset();
  known_tables_.clear();
}

pte_t page_tables::read(entry_ref e) {
  const page& pg = pages_[e.table];
  if (!pg.maybe_nonzero[e.slot]) return 0;
  if (pg.entries && pg.entries->known[e.slot]) return pg.entries->value[e.slot];
  return load(e);
}

pte_t page_tables::load(entry_ref e) {
  const pte_t value = cpu_.load(address_of(e), "native_pte_read");
  know(e, value);
  return value;
}

void page_tables::native_set(entry_ref e, pte_t value, std::string_view caller) {
  cpu_.store(address_of(e), value, caller);
  know(e, value);
}

pte_t page_tables::native_get_and_clear(entry_ref e, std::string_view caller) {
  const pte_t old = cpu_.xchg(address_of(e), 0, caller);
  know(e, 0);
  return old;
}

pte_t page_tables::native_local_get_and_clear(entry_ref e, std::string_view caller) {
  const pte_t old = load(e);
  native_set(e, 0, caller);
  return old;
}

void page_tables::native_clear_low_bit(entry_ref e, u64 bit, bool smp, std::string_view caller) {
  u64 old = load(e) & 0xff;
  if (!smp) cpu_.store_byte(address_of(e), old & ~bit, caller);
  for (bool done = !smp; !done;) {
    const u64 found = cpu_.cmpxchg(address_of(e), old, old & ~bit, 1, caller);
    done = found == old;
    old = found;
  }
  know(e, read(e) & ~bit);
}

pfn_t page_tables::alloc_zeroed_page(unsigned order) {
  const pfn_t first = pages_.alloc_pages(order);
  for (u64 i = 0; i < u64{1} << order; ++i) clear_page(first + i);
  return first;
}

void page_tables::clear_page(pfn_t pfn) {
  page& pg = pages_[pfn];
  for (unsigned word = 0; word < entries_per_table; ++word) {
    if (pg.maybe_nonzero[word]) cpu_.store(word_va(pfn, word), 0, "clear_page");
  }
  pg.maybe_nonzero.reset();
}

void page_tables::copy_page(pfn_t to, pfn_t from) {
  clear_page(to);
  for (unsigned word = 0; word < entries_per_table; ++word) {
    if (pages_[from].maybe_nonzero[word]) store_word(to, word, cpu_.load(word_va(from, word), "copy_page"));
  }
}

void page_tables::store_word(pfn_t pfn, unsigned word, u64 value) {
  cpu_.store(word_va(pfn, word), value, "copy_to_user");
  pages_[pfn].maybe_nonzero.set(word);
}

void page_tables::touched_by_others(mfn_t mfn, unsigned word) {
  const auto pfn = p2m_.mfn_to_pfn(mfn);
  if (!pfn) return;
  page& pg = pages_[*pfn];
  pg.maybe_nonzero.set(word);
  if (pg.entries) pg.entries->known.reset(word);
}

void page_tables::completed(std::span<const mmu_update_t> updates, long result) {
  if (result < 0) return forget_all();  // some of them are written, some are not
  for (const mmu_update_t& u : updates) {
    const u64 maddr = u.ptr & ~u64{7};
    if (const auto pfn = p2m_.mfn_to_pfn(maddr_to_mfn({maddr}))) {
      know({*pfn, static_cast<unsigned>((maddr & PAGE_OFFSET_MASK) / 8)}, u.val);
    }
  }
}

}  // namespace pvmmu::guest
