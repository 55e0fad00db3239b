// The judge must be able to say no: each field of a sound state, changed by hand, is found.

#include "hypervisor-model/audit.h"

#include <set>

#include "tests/hypervisor-model/guest_fixture.h"

namespace pvmmu::xen {
namespace {

class audit_test : public hypervisor_test {
 protected:
  /// The invariants that are found broken, each once.
  std::set<std::string> broken() {
    std::set<std::string> names;
    for (const audit_finding& f : audit(m)) names.insert(f.invariant);
    return names;
  }
  /// What is found while `word` has another value.
  template <class T>
  std::set<std::string> with(T& word, T value) {
    const T before = std::exchange(word, value);
    const auto names = broken();
    word = before;
    return names;
  }

  tree t = d0.boot();
  using set = std::set<std::string>;
};

// A state that calls made is sound.
TEST_F(audit_test, a_sound_state) { EXPECT_EQ(broken(), set{}); }

// I1: a general count too high or too low.
TEST_F(audit_test, general_counts) {
  for (const mfn_t mfn : {t.l4, t.l3, t.l2, t.l1, t.data}) {
    EXPECT_EQ(with(d0.info(mfn).count_info, d0.info(mfn).count_info + 1), set{"I1"});
    EXPECT_EQ(with(d0.info(mfn).count_info, d0.info(mfn).count_info - 1), set{"I1"});
  }
}

// I2: a type count too high.
TEST_F(audit_test, type_counts) {
  for (const mfn_t mfn : {t.l4, t.l3, t.l2, t.l1, t.data}) {
    EXPECT_EQ(with(d0.info(mfn).type_info, d0.info(mfn).type_info + 1), set{"I2"});
  }
}

// I3: a writable entry to a page table, in a table and from a root.
TEST_F(audit_test, writable_tables) {
  EXPECT_TRUE(with(d0.word(t.l1, 5), make_pte(t.l2, rw_flags)).contains("I3"));
  ASSERT_EQ(d0.update(t.l1, 5, make_pte(t.l2, ro_flags)), 0);
  EXPECT_TRUE(with(d0.word(t.l1, 5), make_pte(t.l2, rw_flags)).contains("I3"));
}

// I4: a partial table that is validated, counted twice, or an L1.
TEST_F(audit_test, partial_tables) {
  EXPECT_TRUE(with(d0.info(t.l2).type_info, d0.info(t.l2).type_info | PGT_partial).contains("I4"));
  EXPECT_TRUE(with(d0.info(t.l1).type_info, PGT_l1_page_table | PGT_partial | 1).contains("I4"));
  EXPECT_TRUE(with(d0.info(t.l2).type_info, d0.info(t.l2).type_info | PGT_locked).contains("I4"));
}

// I5: a pin on something that is no table in use.
TEST_F(audit_test, pins) {
  EXPECT_TRUE(with(d0.info(t.data).type_info, d0.info(t.data).type_info | PGT_pinned).contains("I5"));
  EXPECT_TRUE(with(d0.info(t.data).type_info, PGT_l1_page_table | PGT_pinned).contains("I5"));
}

// I6: entries that no promotion would have let through.
TEST_F(audit_test, entries) {
  EXPECT_EQ(with(d0.word(t.l2, 0), d0.word(t.l2, 0) | PAGE_PWT), set{"I6"});
  EXPECT_EQ(with(d0.word(t.l2, 0), d0.word(t.l2, 0) & ~PAGE_USER), set{"I6"});
  EXPECT_EQ(with(d0.word(t.l1, 0), d0.word(t.l1, 0) & ~PAGE_GLOBAL), set{"I6"});
  EXPECT_EQ(with(d0.word(t.l2, 7), make_pte({m.config().frames}, table_flags)), set{"I6"});
  EXPECT_TRUE(with(d0.word(t.l2, 7), make_pte(t.data, table_flags)).contains("I6"));
  EXPECT_TRUE(with(d0.word(t.l2, 7), make_pte(t.l2, table_flags)).contains("I6")) << "writable and linear";
  EXPECT_TRUE(with(d0.info(t.l1).type_info, d0.info(t.l1).type_info & ~PGT_validated).contains("I6"));
}

// I7: a linear count that no entry explains.
TEST_F(audit_test, linear_counts) {
  EXPECT_EQ(with(d0.info(t.l2).aux, u32{1} << 16), set{"I7"});
  EXPECT_EQ(with(d0.info(t.l2).aux, 0xffffu << 16), set{"I7"});
}

// I10: a frame that nobody owns but is counted, or is listed with another owner.
TEST_F(audit_test, lifecycle) {
  EXPECT_TRUE(with(d0.info(t.data).owner, owner_none).contains("I10"));
  EXPECT_TRUE(with(d0.info(t.data).owner, d1.d.owner()).contains("I10"));
  EXPECT_TRUE(with(d0.info({d0.m.config().frames - 1}).count_info, u64{1}).empty()) << "far beyond what is used";
  EXPECT_TRUE(with(d0.info({511}).count_info, u64{1}).contains("I10"));
}

// I10: a frame that was taken from its owner, and keeps a type.
TEST_F(audit_test, stolen_frames) {
  EXPECT_EQ(with(d0.info({511}).type_info, PGT_seg_desc_page | PGT_validated), set{"I10"});
}

// I11: a frame whose owner is no more; and an ended domain that holds frames, tables and roots.
TEST_F(audit_test, teardown) {
  EXPECT_TRUE(with(d0.info(t.data).owner, owner_of(77)).contains("I11"));
  EXPECT_TRUE(with(d0.d.is_dying, true).contains("I11"));
}

// I12: Xen's slots, and the root of a vCPU.
TEST_F(audit_test, roots) {
  EXPECT_EQ(with(d0.word(t.l4, 258), make_pte(t.l3, table_flags)), set{"I12"});
  EXPECT_EQ(with(d0.word(t.l4, 262), u64{0}), set{"I12"});
  EXPECT_EQ(with(d0.word(t.l4, 256), u64{0}), set{}) << "a root without M2P is legal";
  EXPECT_TRUE(with(d0.cpu().guest_table, t.l3).contains("I12"));
}

// Findings come in ascending order of frames.
TEST_F(audit_test, findings_are_in_order) {
  ++d0.info(t.data).count_info;
  ++d0.info(t.l4).count_info;
  const auto findings = audit(m);
  --d0.info(t.data).count_info;
  --d0.info(t.l4).count_info;
  ASSERT_EQ(findings.size(), 2u);
  EXPECT_LT(findings[0].mfn, findings[1].mfn);
}

}  // namespace
}  // namespace pvmmu::xen
