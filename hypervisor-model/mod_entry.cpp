#include "hypervisor-model/mod_entry.h"

#include <cassert>

#include "hypervisor-model/entry_ref.h"
#include "hypervisor-model/messages.h"
#include "hypervisor-model/page_type.h"

namespace pvmmu::xen {
namespace {

/// What a guest may change without another look at the entry (xen 4.17 mm.c:2108).
constexpr u64 fastpath_flags =
    PAGE_NX | PAGE_AVAIL_HIGH | PAGE_AVAIL | PAGE_GLOBAL | PAGE_DIRTY | PAGE_ACCESSED | PAGE_USER;

bool similar(pte_t a, pte_t b) { return ((a ^ b) & ~fastpath_flags) == 0; }

void update_entry(machine& m, mfn_t table, unsigned slot, pte_t ne, accessed_dirty ad) {
  if (ad == accessed_dirty::preserve) ne |= m.words(table)[slot] & (PAGE_ACCESSED | PAGE_DIRTY);
  m.write_pte(table, slot, ne);
}

}  // namespace

outcome mod_l1_entry(machine& m, mfn_t table, unsigned slot, pte_t nl1e, accessed_dirty ad, domain& pt_dom,
                     domain& pg_dom) {
  const pte_t ol1e = m.words(table)[slot];
  if (present(nl1e)) {
    if (const u64 bad = disallowed_flags(m, 1, nl1e, pt_dom)) {
      messages::bad_flags(m, 1, bad, messages::asked_by::mod_entry);
      return refuse(xen_errno::einval);
    }
    nl1e = adjust_guest_entry(m, 1, nl1e);
    if (similar(ol1e, nl1e)) {
      update_entry(m, table, slot, nl1e, ad);
      return {};
    }
    const auto flip = get_page_from_l1e(m, nl1e, pt_dom, pg_dom);
    if (!flip) return refuse(flip.error());
    nl1e ^= *flip;
  } else if (pv_l1tf_check(m, 1, nl1e, pt_dom)) {
    return refuse(xen_errno::erestart);
  }
  update_entry(m, table, slot, nl1e, ad);
  put_page_from_l1e(m, ol1e);
  return {};
}

outcome mod_upper_entry(machine& m, unsigned level, mfn_t table, unsigned slot, pte_t ne, accessed_dirty ad,
                        domain& d) {
  if (level == 4 && !is_guest_l4_slot(slot)) {
    messages::xen_private_slot(m, level, slot);
    return refuse(xen_errno::einval);
  }
  const pte_t oe = m.words(table)[slot];
  if (present(ne)) {
    if (const u64 bad = disallowed_flags(m, level, ne, d)) {
      messages::bad_flags(m, level, bad, messages::asked_by::mod_entry);
      return refuse(xen_errno::einval);
    }
    ne = adjust_guest_entry(m, level, ne);
    if (similar(oe, ne)) {
      update_entry(m, table, slot, ne, ad);
      return {};
    }
    if (const outcome o = get_page_from_entry(m, level, ne, table, d, 0); !o) return o;
  } else if (pv_l1tf_check(m, level, ne, d)) {
    return refuse(xen_errno::erestart);
  }
  update_entry(m, table, slot, ne, ad);
  [[maybe_unused]] const auto put = put_page_from_entry(m, level, oe, table, PTF_defer);
  assert(put && "a deferred drop is not preempted");
  return {};
}

}  // namespace pvmmu::xen
