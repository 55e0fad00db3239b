// Changing one entry of a live table: take the new, write, drop the old; and the fast path.

#include "tests/hypervisor-model/guest_fixture.h"

namespace pvmmu::xen {
namespace {

class mod_entry_test : public hypervisor_test {
 protected:
  tree t = d0.boot();
};

// Flags of the fast path's list change without touching any count (mm.c:2126): NX, AVAIL, G, D, A, U.
TEST_F(mod_entry_test, the_fast_path_touches_no_count) {
  const u64 base = d0.word(t.l1, 0);
  witness seen(m);
  for (const u64 flag : {PAGE_NX, PAGE_AVAIL, u64{1} << 53, PAGE_GLOBAL, PAGE_DIRTY, PAGE_ACCESSED}) {
    EXPECT_EQ(d0.update(t.l1, 0, base ^ flag), 0);
    EXPECT_EQ(d0.word(t.l1, 0), (base ^ flag) | (flag == PAGE_GLOBAL ? PAGE_GLOBAL : 0)) << std::hex << flag;
  }
  EXPECT_EQ(seen.count(event_kind::type_info), 0u);
  for (const event& e : seen.events) {
    EXPECT_FALSE(e.kind == event_kind::count_info && e.mfn == t.data);
  }
}

// The same above L1: flags without a reference, and no table is taken down.
TEST_F(mod_entry_test, the_fast_path_of_upper_levels) {
  witness seen(m);
  for (const mfn_t table : {t.l2, t.l3, t.l4}) {
    const u64 entry = d0.word(table, 0);
    EXPECT_EQ(d0.update(table, 0, entry | PAGE_DIRTY | PAGE_AVAIL | PAGE_NX), 0);
    EXPECT_EQ(d0.word(table, 0), entry | PAGE_DIRTY | PAGE_AVAIL | PAGE_NX);
  }
  EXPECT_EQ(seen.count(event_kind::type_info), 0u);
  EXPECT_EQ(seen.count(event_kind::devalidated), 0u);
}

// RW is no flag of the fast path: changing it moves a type reference (XSA-182 is its loss).
TEST_F(mod_entry_test, changing_rw_moves_the_type_reference) {
  EXPECT_EQ(d0.update(t.l1, 0, make_pte(t.data, ro_flags)), 0);
  EXPECT_EQ(d0.state(t.data), "2 writable|validated|0");
  EXPECT_EQ(d0.update(t.l1, 0, make_pte(t.data, rw_flags)), 0);
  EXPECT_EQ(d0.state(t.data), "2 writable|validated|1");
}

// Changing the frame takes the new reference and drops the old.
TEST_F(mod_entry_test, changing_the_frame_moves_both_references) {
  const mfn_t other = d0.frame();
  EXPECT_EQ(d0.update(t.l1, 0, make_pte(other, rw_flags)), 0);
  EXPECT_EQ(d0.state(other), "2 writable|validated|1");
  EXPECT_EQ(d0.state(t.data), "1 writable|validated|0");
}

// A refused entry changes nothing: neither the slot nor a count.
TEST_F(mod_entry_test, a_refused_entry_leaves_all_as_it_was) {
  const u64 before = d0.word(t.l1, 0);
  EXPECT_EQ(d0.update(t.l1, 0, make_pte(t.l2, rw_flags)), EBUSY_);
  EXPECT_EQ(d0.word(t.l1, 0), before);
  EXPECT_EQ(d0.state(t.data), "2 writable|validated|1");
  EXPECT_EQ(d0.state(t.l2), "2 l2|validated|1");
}

// Replacing an L2 entry of the same table (RW changes) keeps the L1 validated: the new reference comes first.
TEST_F(mod_entry_test, the_new_reference_comes_before_the_old_goes) {
  witness seen(m);
  EXPECT_EQ(d0.update(t.l2, 0, make_pte(t.l1, table_flags & ~PAGE_RW)), 0);
  EXPECT_EQ(d0.state(t.l1), "2 l1|validated|1");
  EXPECT_EQ(seen.count(event_kind::validated), 0u);
  EXPECT_EQ(seen.count(event_kind::devalidated), 0u);
}

// Moving a table by clear, then set, validates its 512 entries again; by set, then clear, it does not.
TEST_F(mod_entry_test, clear_before_set_validates_again) {
  witness seen(m);
  EXPECT_EQ(d0.updates({entry_update(t.l2, 0, 0), entry_update(t.l2, 1, make_pte(t.l1, table_flags))}), 0);
  EXPECT_EQ(seen.count(event_kind::devalidated), 1u);
  EXPECT_EQ(seen.count(event_kind::validated), 1u);
  EXPECT_EQ(d0.updates({entry_update(t.l2, 0, make_pte(t.l1, table_flags)), entry_update(t.l2, 1, 0)}), 0);
  EXPECT_EQ(seen.count(event_kind::devalidated), 1u);
  EXPECT_EQ(seen.count(event_kind::validated), 1u);
}

// A pinned table survives the clearing of the entry that held it.
TEST_F(mod_entry_test, a_pin_survives_its_entry) {
  ASSERT_EQ(d0.pin(1, t.l1), 0);
  witness seen(m);
  EXPECT_EQ(d0.update(t.l2, 0, 0), 0);
  EXPECT_EQ(d0.state(t.l1), "2 l1|pinned|validated|1");
  EXPECT_EQ(seen.count(event_kind::devalidated), 0u);
}

// Taking a tree down frees every level, the data page's writable type with it.
TEST_F(mod_entry_test, clearing_the_top_entry_takes_the_tree_down) {
  EXPECT_EQ(d0.update(t.l4, 0, 0), 0);
  EXPECT_EQ(d0.state(t.l3), "1 l3|0");
  EXPECT_EQ(d0.state(t.l2), "1 l2|0");
  EXPECT_EQ(d0.state(t.l1), "1 l1|0");
  EXPECT_EQ(d0.state(t.data), "1 writable|validated|0");
}

// PRESERVE_AD keeps what the processor set meanwhile; a plain update overwrites it.
TEST_F(mod_entry_test, preserve_ad_keeps_accessed_and_dirty) {
  const u64 clean = d0.word(t.l1, 0) & ~(PAGE_ACCESSED | PAGE_DIRTY);
  d0.word(t.l1, 0) |= PAGE_ACCESSED | PAGE_DIRTY;
  EXPECT_EQ(d0.update(t.l1, 0, clean | PAGE_AVAIL, MMU_PT_UPDATE_PRESERVE_AD), 0);
  EXPECT_EQ(d0.word(t.l1, 0), clean | PAGE_AVAIL | PAGE_ACCESSED | PAGE_DIRTY);
  EXPECT_EQ(d0.update(t.l1, 0, clean), 0);
  EXPECT_EQ(d0.word(t.l1, 0), clean);
}

// PRESERVE_AD at an upper level does the same.
TEST_F(mod_entry_test, preserve_ad_of_upper_levels) {
  d0.word(t.l2, 0) |= PAGE_ACCESSED | PAGE_DIRTY;
  const u64 clean = make_pte(t.l1, PAGE_PRESENT | PAGE_RW | PAGE_USER);
  EXPECT_EQ(d0.update(t.l2, 0, clean, MMU_PT_UPDATE_PRESERVE_AD), 0);
  EXPECT_EQ(d0.word(t.l2, 0), clean | PAGE_ACCESSED | PAGE_DIRTY);
}

}  // namespace
}  // namespace pvmmu::xen
