// Types exclude each other, follow their counts, and are validated when they begin.

#include "tests/hypervisor-model/guest_fixture.h"

namespace pvmmu::xen {
namespace {

using page_type_test = hypervisor_test;

// A frame starts with the allocation's reference alone, and no type.
TEST_F(page_type_test, a_fresh_frame_has_one_reference_and_no_type) { EXPECT_EQ(d0.state(d0.frame()), "1 none|0"); }

// The counts of a running tree: each table is held by the one above, the root by the vCPU, the data page by its RW
// entry (xen 4.17 mm.c:2883; the counts as observed on the real one for a root that is not pinned).
TEST_F(page_type_test, a_running_tree_is_typed_level_by_level) {
  const tree t = d0.boot();
  EXPECT_EQ(d0.state(t.l4), "2 l4|validated|1");
  EXPECT_EQ(d0.state(t.l3), "2 l3|validated|1");
  EXPECT_EQ(d0.state(t.l2), "2 l2|validated|1");
  EXPECT_EQ(d0.state(t.l1), "2 l1|validated|1");
  EXPECT_EQ(d0.state(t.data), "2 writable|validated|1");
}

// A writable mapping and a page-table type refuse each other, whichever came first.
TEST_F(page_type_test, writable_and_page_table_exclude_each_other) {
  const tree t = d0.boot();
  EXPECT_EQ(d0.pin(1, t.data), EINVAL_) << "mapped writable";
  EXPECT_EQ(d0.update(t.l1, 1, make_pte(t.l1, rw_flags)), EBUSY_) << "an L1 in use";
  EXPECT_EQ(d0.update(t.l1, 1, make_pte(t.l1, ro_flags)), 0) << "read-only is harmless";
  EXPECT_EQ(d0.state(t.l1), "3 l1|validated|1");
}

// While counted, a table keeps its level: no other level can be had of it (xen 4.17 mm.c:2941).
TEST_F(page_type_test, levels_exclude_each_other) {
  const mfn_t table = d0.frame();
  EXPECT_EQ(d0.pin(1, table), 0);
  for (const unsigned level : {2u, 3u, 4u}) EXPECT_EQ(d0.pin(level, table), EINVAL_) << level;
  EXPECT_EQ(d0.unpin(table), 0);
  for (const unsigned level : {2u, 3u, 4u}) {
    EXPECT_EQ(d0.pin(level, table), 0) << level;
    EXPECT_EQ(d0.unpin(table), 0) << level;
  }
}

// At count 0 a writable page keeps type and validated: its next writable mapping needs no flush [observed].
TEST_F(page_type_test, writable_stays_validated_at_count_0) {
  const tree t = d0.boot();
  EXPECT_EQ(d0.update(t.l1, 0, 0), 0);
  EXPECT_EQ(d0.state(t.data), "1 writable|validated|0");
  witness seen(m);
  EXPECT_EQ(d0.update(t.l1, 0, make_pte(t.data, rw_flags)), 0);
  EXPECT_EQ(seen.count(flush_reason::type_change), 0u);
}

// A page table loses validated with its last reference, so that it is validated again at the next (mm.c:2804).
TEST_F(page_type_test, a_table_is_validated_again_after_count_0) {
  const mfn_t table = d0.frame();
  witness seen(m);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(d0.pin(1, table), 0);
    EXPECT_EQ(d0.unpin(table), 0);
    EXPECT_EQ(d0.state(table), "1 l1|0");
  }
  EXPECT_EQ(seen.count(event_kind::validated), 2u);
  EXPECT_EQ(seen.count(event_kind::devalidated), 2u);
}

// A second reference of the same type validates nothing.
TEST_F(page_type_test, a_table_in_use_is_not_validated_again) {
  const tree t = d0.boot();
  witness seen(m);
  EXPECT_EQ(d0.pin(1, t.l1), 0);
  EXPECT_EQ(d0.state(t.l1), "3 l1|pinned|validated|2");
  EXPECT_EQ(seen.count(event_kind::validated), 0u);
}

// A frame of another domain cannot be typed or mapped; the message is the release build's visible one (mm.c:2561).
TEST_F(page_type_test, a_foreign_frame_is_refused) {
  const tree t = d1.boot();
  const mfn_t foreign = d0.frame();
  witness seen(m);
  EXPECT_EQ(d1.pin(1, foreign), EINVAL_);
  EXPECT_THAT(seen.messages, testing::ElementsAre(testing::HasSubstr("Error mfn")));
  EXPECT_EQ(d1.update(t.l1, 1, make_pte(foreign, ro_flags)), EBUSY_);
  EXPECT_EQ(d0.state(foreign), "1 none|0");
}

// The largest type count: one more is refused, and what was counted stays (mm.c:2895).
TEST_F(page_type_test, the_type_count_cannot_overflow) {
  const tree t = d0.boot();
  page_info& data = d0.info(t.data);
  const u64 before = data.type_info;
  data.type_info |= PGT_count_mask;
  EXPECT_EQ(d0.update(t.l1, 1, make_pte(t.data, rw_flags)), EBUSY_);
  EXPECT_EQ(data.type_info, before | PGT_count_mask);
  data.type_info = before;
}

// On a change of type, vCPUs that may still hold a writable translation are flushed (mm.c:3035).
TEST_F(page_type_test, a_type_change_flushes_stale_translations) {
  const tree t = d0.boot();
  EXPECT_EQ(d0.update(t.l1, 0, 0), 0);
  witness seen(m);
  EXPECT_EQ(d0.pin(1, t.data), 0);
  EXPECT_THAT(seen.masks(flush_reason::type_change), testing::ElementsAre(1u));
  EXPECT_EQ(d0.unpin(t.data), 0);
}

// … but not where they have flushed since the frame was last used so.
TEST_F(page_type_test, a_type_change_after_a_flush_needs_none) {
  const tree t = d0.boot();
  EXPECT_EQ(d0.update(t.l1, 0, 0), 0);
  EXPECT_EQ(d0.ext({MMUEXT_TLB_FLUSH_ALL, 0, 0, {}}), 0);
  witness seen(m);
  EXPECT_EQ(d0.pin(1, t.data), 0);
  EXPECT_EQ(seen.count(flush_reason::type_change), 0u);
}

}  // namespace
}  // namespace pvmmu::xen
