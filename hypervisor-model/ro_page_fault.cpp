#include "hypervisor-model/ro_page_fault.h"

#include <cassert>

#include "hypervisor-model/entry_ref.h"
#include "hypervisor-model/messages.h"

namespace pvmmu::xen {
namespace {

/// A store of fewer than 8 bytes as one of the whole entry: the other bytes keep what they have.
struct whole_entry {
  unsigned shift;  ///< bits below the stored bytes
  u64 mask;        ///< of the stored bytes
  u64 merge(u64 entry, u64 bytes) const { return (entry & ~mask) | ((bytes << shift) & mask); }
};

whole_entry widen(const ptwr_store& s) {
  const unsigned shift = s.offset % sizeof(pte_t) * 8;
  const u64 mask = s.bytes == sizeof(pte_t) ? ~u64{0} : ((u64{1} << (s.bytes * 8)) - 1) << shift;
  return {shift, mask};
}

}  // namespace

ptwr_answer ptwr_emulated_update(machine& m, vcpu& curr, const ptwr_store& store) {
  if (store.offset % store.bytes != 0) {
    const u64 offset = store.offset;
    messages::ptwr_bad_access(m, offset, offset, store.bytes);
    return {ptwr_result::unhandleable};
  }
  domain& d = *curr.dom;
  const unsigned slot = store.offset / sizeof(pte_t);
  const whole_entry whole = widen(store);
  const pte_t ol1e = m.words(store.table)[slot];
  const u64 old_bytes = (ol1e & whole.mask) >> whole.shift;

  pte_t nl1e = whole.merge(ol1e, store.value);
  if (!present(nl1e)) {
    if (pv_l1tf_check(m, 1, nl1e, d)) return {ptwr_result::retry, old_bytes};
  } else {
    const auto flip = get_page_from_l1e(m, nl1e, d, d);
    if (!flip) {
      messages::ptwr_refused(m);
      return {ptwr_result::unhandleable, old_bytes};
    }
    nl1e = adjust_guest_entry(m, 1, nl1e ^ *flip);
  }
  // The references are taken first; a compare that fails gives them back.
  if (store.expected && whole.merge(ol1e, *store.expected) != ol1e) {
    put_page_from_l1e(m, nl1e);
    return {ptwr_result::cmpxchg_failed, old_bytes};
  }
  m.write_pte(store.table, slot, nl1e);
  m.notify(event_kind::emulated, slot, store.table, ol1e, nl1e);
  put_page_from_l1e(m, ol1e);
  return {ptwr_result::okay, old_bytes};
}

}  // namespace pvmmu::xen
