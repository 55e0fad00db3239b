#include "hypervisor-model/machine/page_walk.h"

namespace pvmmu::xen {

std::optional<mfn_t> map_guest_l1(machine& m, mfn_t root, u64 va) {
  if (!addr_ok(va)) return std::nullopt;
  mfn_t table = root;
  for (unsigned level = 4; level > 1; --level) {
    if (!m.mfn_valid(table) || table.n == 0) return std::nullopt;
    const unsigned slot = table_slot(va, level);
    const pte_t e = m.words(table)[slot];
    if (!present(e) || (level < 4 && (e & PAGE_PSE))) return std::nullopt;
    if (level > 2 && !(e & PAGE_ACCESSED)) m.write_pte(table, slot, e | PAGE_ACCESSED);
    table = pte_mfn(e);
  }
  return table;
}

translation walk(const machine& m, mfn_t root, u64 va) {
  translation t;
  t.table = root;
  for (unsigned level = 4;; --level) {
    if (!m.mfn_valid(t.table) || t.table.n == 0) return t;
    t.level = level;
    t.slot = table_slot(va, level);
    const pte_t e = m.words(t.table)[t.slot];
    if (!present(e)) return t;
    t.writable = t.writable && (e & PAGE_RW);
    t.user = t.user && (e & PAGE_USER);
    t.accessed = t.accessed && (e & PAGE_ACCESSED);
    const bool superpage = level > 1 && level < 4 && (e & PAGE_PSE);
    if (level == 1 || superpage) {
      t.present = true;
      t.dirty = (e & PAGE_DIRTY) != 0;
      t.frame = pte_mfn(e) + ((va & (entry_span(level) - 1)) >> PAGE_SHIFT);
      return t;
    }
    t.table = pte_mfn(e);
  }
}

void set_accessed_above(machine& m, mfn_t root, u64 va, const translation& t) {
  if (t.level == 0) return;  // no table at all
  mfn_t table = root;
  for (unsigned level = 4; level > t.level; --level) {
    const unsigned slot = table_slot(va, level);
    const pte_t e = m.words(table)[slot];
    if (!(e & PAGE_ACCESSED)) m.write_pte(table, slot, e | PAGE_ACCESSED);
    table = pte_mfn(e);
  }
}

pte_t guest_get_eff_kern_l1e(machine& m, mfn_t root, u64 va) {
  if (!addr_ok(va)) return 0;
  const translation t = walk(m, root, va);
  set_accessed_above(m, root, va, t);
  return t.present && t.level == 1 ? m.words(t.table)[t.slot] : 0;
}

void set_accessed_dirty(machine& m, mfn_t root, u64 va, bool write) {
  mfn_t table = root;
  for (unsigned level = 4;; --level) {
    const unsigned slot = table_slot(va, level);
    const pte_t e = m.words(table)[slot];
    const bool last = level == 1 || (level < 4 && (e & PAGE_PSE));
    const pte_t marked = e | PAGE_ACCESSED | (last && write ? PAGE_DIRTY : 0);
    if (marked != e) m.write_pte(table, slot, marked);
    if (last) return;
    table = pte_mfn(e);
  }
}

}  // namespace pvmmu::xen
