#include "hypervisor-model/validate.h"

#include <cassert>

#include "hypervisor-model/entry_ref.h"
#include "hypervisor-model/messages.h"
#include "hypervisor-model/page_type.h"
#include "proto/abi/hypercall.h"

namespace pvmmu::xen {
namespace {

/// Counts the entries that one piece of work has handled, and tells when it ends.
class entry_tally {
 public:
  entry_tally(machine& m, mfn_t table, unsigned level, event_kind kind)
      : m_(m), table_(table), level_(level), kind_(kind) {}
  ~entry_tally() {
    if (refused && count == 0) return;  // as if it had never begun
    (kind_ == event_kind::validated ? m_.perfc.entries_validated : m_.perfc.entries_devalidated) += count;
    m_.notify(kind_, level_, table_, 0, count);
  }
  entry_tally(const entry_tally&) = delete;
  entry_tally& operator=(const entry_tally&) = delete;
  u64 count = 0;
  bool refused = false;

 private:
  machine& m_;
  mfn_t table_;
  unsigned level_;
  event_kind kind_;
};

void store_if_changed(machine& m, mfn_t table, unsigned slot, pte_t before, pte_t after) {
  if (before != after) m.write_pte(table, slot, after);
}

// ---- L1: never preempted, never partial

outcome promote_l1_entry(machine& m, mfn_t table, unsigned slot, domain& d) {
  const pte_t e = m.words(table)[slot];
  if (!present(e)) return pv_l1tf_check(m, 1, e, d) ? outcome{refuse(xen_errno::eintr)} : outcome{};
  const auto flip = get_page_from_l1e(m, e, d, d);
  if (!flip) return refuse(flip.error());
  store_if_changed(m, table, slot, e, adjust_guest_entry(m, 1, e ^ *flip));
  return {};
}

outcome promote_l1_table(machine& m, page_info& pg) {
  domain& d = *m.page_owner(pg);
  const mfn_t table = m.mfn_of(pg);
  const pte_t* const entries = m.words(table);
  entry_tally tally(m, table, 1, event_kind::validated);
  for (unsigned slot = 0; slot < entries_per_table; ++slot) {
    if (!present(entries[slot]) && !d.check_l1tf) continue;
    const outcome o = promote_l1_entry(m, table, slot, d);
    if (o) {
      tally.count += present(entries[slot]);
      continue;
    }
    if (!preempted(o)) messages::promote_failed(m, 1, to_result(o), slot);
    // The references go, the adjusted bits of the entries before stay.
    while (slot-- > 0) put_page_from_l1e(m, entries[slot]);
    tally.count = 0;
    tally.refused = true;
    return o;
  }
  return {};
}

void demote_l1_table(machine& m, page_info& pg) {
  const mfn_t table = m.mfn_of(pg);
  const pte_t* const entries = m.words(table);
  entry_tally tally(m, table, 1, event_kind::devalidated);
  for (unsigned slot = 0; slot < entries_per_table; ++slot) {
    if (!present(entries[slot])) continue;
    put_page_from_l1e(m, entries[slot]);
    ++tally.count;
  }
}

// ---- L2-L4

/// Xen's own part of an L4. It overwrites whatever the guest left there (xen 4.17 mm.c:1628).
void init_xen_l4_slots(machine& m, mfn_t l4, const domain& d) {
  for (unsigned slot = first_xen_slot; slot <= last_xen_slot; ++slot) {
    pte_t e = m.xen_l4_slots[slot - first_xen_slot];
    if (slot == 256 && !d.has_assist(VMASST_TYPE_m2p_strict)) e = 0;  // NEW_BASEPTR fills it
    if (slot == 258) e = make_pte(l4, PAGE_HYPERVISOR_RW);
    if (slot == perdomain_slot) e = d.perdomain_l4e;
    store_if_changed(m, l4, slot, m.words(l4)[slot], e);
  }
}

/// What one slot's entry comes to while its table is validated.
outcome promote_entry(machine& m, unsigned level, mfn_t table, unsigned slot, domain& d, bool partial_set) {
  const pte_t e = m.words(table)[slot];
  if (!present(e)) return pv_l1tf_check(m, level, e, d) ? outcome{refuse(xen_errno::eintr)} : outcome{};
  const unsigned flags = (partial_set ? PTF_partial_set : 0) | (level > 2 ? PTF_retain_ref_on_restart : 0);
  const outcome o = get_page_from_entry(m, level, e, table, d, flags);
  if (o) store_if_changed(m, table, slot, e, adjust_guest_entry(m, level, e));
  return o;
}

/// A child that fails in its own slot 0 does not wait in old_guest_table. Xen holds that to be impossible where a table
/// below the child has failed halfway, or where the child was preempted before: a debug build asserts (mm.c:1813), a
/// release build loses a reference, and so does the model.
void note_lost_references(machine& m, mfn_t child, unsigned slot, bool partial_set, bool child_waits) {
  if (child_waits) return;
  if (slot == 0 && partial_set) m.lost_references.push_back(child);
  if (slot > 0 && m.current->old_guest_table) m.lost_references.push_back(m.mfn_of(*m.current->old_guest_table));
}

/// The table stops at `slot`: notes how far it is, and what the caller has to hear (xen 4.17 mm.c:1452-1505).
outcome stop_promotion(machine& m, page_info& pg, unsigned level, unsigned slot, bool partial_set, xen_errno error) {
  if (error == xen_errno::erestart) {
    pg.set_progress(slot, true);
    return refuse(error);
  }
  if (error == xen_errno::eintr) {
    if (slot == 0) return refuse(error);
    pg.set_progress(slot, partial_set);
    return refuse(xen_errno::erestart);
  }
  messages::promote_failed(m, level, to_result(error), slot);
  vcpu& curr = *m.current;
  const mfn_t child = pte_mfn(m.words(m.mfn_of(pg))[slot]);
  const bool child_waits = curr.old_guest_table && m.mfn_of(*curr.old_guest_table) == child;
  note_lost_references(m, child, slot, partial_set, child_waits);
  if (slot > 0) {
    // A table below that failed halfway waits in old_guest_table: this one takes its place and owns it by its entry.
    assert(!curr.old_guest_table || curr.old_guest_table_partial);
    pg.set_progress(slot, partial_set || child_waits);
    defer_old_guest_table(curr, pg, nullptr, true);
  }
  return refuse(error);
}

outcome promote_upper_table(machine& m, page_info& pg, unsigned level) {
  domain& d = *m.page_owner(pg);
  const mfn_t table = m.mfn_of(pg);
  const unsigned start = pg.nr_validated_ptes();
  bool partial_set = pg.partial_set();
  entry_tally tally(m, table, level, event_kind::validated);
  for (unsigned slot = start; slot < entries_per_table; ++slot, partial_set = false) {
    if (level == 4 && !is_guest_l4_slot(slot)) continue;
    // L4 is preempted through the tables below it alone.
    if (level < 4 && slot > start && m.hypercall_preempt_check()) {
      return stop_promotion(m, pg, level, slot, partial_set, xen_errno::eintr);
    }
    const outcome o = promote_entry(m, level, table, slot, d, partial_set);
    if (!o) {
      tally.refused = !preempted(o);
      return stop_promotion(m, pg, level, slot, partial_set, o.error());
    }
    tally.count += present(m.words(table)[slot]);
  }
  if (level == 4) {
    init_xen_l4_slots(m, table, d);
    ++d.nr_l4_pages;
  }
  return {};
}

outcome demote_upper_table(machine& m, page_info& pg, unsigned level) {
  const mfn_t table = m.mfn_of(pg);
  bool partial_set = pg.partial_set();
  unsigned slot = pg.nr_validated_ptes() - (partial_set ? 0 : 1);
  entry_tally tally(m, table, level, event_kind::devalidated);
  for (;;) {
    if (level < 4 || is_guest_l4_slot(slot)) {
      const auto put = put_page_from_entry(m, level, m.words(table)[slot], table, partial_set ? PTF_partial_set : 0);
      if (!put) {
        if (put.error() == xen_errno::erestart) {
          pg.set_progress(slot, true);
          return refuse(xen_errno::erestart);
        }
        if (slot == entries_per_table - 1) return refuse(xen_errno::eintr);  // nothing done yet
        pg.set_progress(slot + (partial_set ? 0 : 1), partial_set);
        return refuse(xen_errno::erestart);
      }
      tally.count += *put;
    }
    partial_set = false;
    if (slot-- == 0) break;
    if (level < 4 && m.hypercall_preempt_check()) {
      pg.set_progress(slot + 1, false);
      return refuse(xen_errno::erestart);
    }
  }
  if (level == 4) --m.page_owner(pg)->nr_l4_pages;
  return {};
}

}  // namespace

outcome promote_table(machine& m, page_info& pg, unsigned level) {
  return level == 1 ? promote_l1_table(m, pg) : promote_upper_table(m, pg, level);
}

outcome devalidate_page(machine& m, page_info& pg, u64 type) {
  if (!(type & PGT_partial)) pg.set_progress(entries_per_table, false);
  const unsigned level = table_level(type);
  if (level > 1) return demote_upper_table(m, pg, level);
  demote_l1_table(m, pg);
  return {};
}

}  // namespace pvmmu::xen
