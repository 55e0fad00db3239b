// Linear page tables: entries that name a table of their own level (xen 4.17 mm.c:608-750).

#include "tests/hypervisor-model/guest_fixture.h"

namespace pvmmu::xen {
namespace {

class linear_pt_test : public hypervisor_test {
 protected:
  /// Two empty tables of a level, pinned.
  std::array<mfn_t, 2> pinned_pair(unsigned level) {
    const std::array pair = {d0.frame(), d0.frame()};
    for (const mfn_t table : pair) EXPECT_EQ(d0.pin(level, table), 0);
    return pair;
  }
};

// A table may name itself, read-only, and takes no reference by it: in every level from L2 on.
TEST_F(linear_pt_test, a_self_entry_takes_no_reference) {
  for (const unsigned level : {2u, 3u, 4u}) {
    const mfn_t table = d0.frame();
    ASSERT_EQ(d0.pin(level, table), 0);
    EXPECT_EQ(d0.update(table, 3, make_pte(table, linear_flags)), 0);
    EXPECT_EQ(d0.state(table), fmt::format("2 l{}|pinned|validated|1", level));
    EXPECT_EQ(d0.info(table).linear_pt_count(), 0);
    EXPECT_EQ(d0.update(table, 3, 0), 0);
  }
}

// … at its promotion too.
TEST_F(linear_pt_test, a_table_that_names_itself_can_be_pinned) {
  const mfn_t table = d0.frame();
  d0.word(table, 3) = make_pte(table, linear_flags);
  EXPECT_EQ(d0.pin(4, table), 0);
  EXPECT_EQ(d0.state(table), "2 l4|pinned|validated|1");
}

// An entry to another table of the level counts up in the table that holds it and down in the other.
TEST_F(linear_pt_test, another_table_is_referenced_and_counted) {
  for (const unsigned level : {2u, 3u, 4u}) {
    const auto [from, to] = pinned_pair(level);
    EXPECT_EQ(d0.update(from, 3, make_pte(to, linear_flags)), 0);
    EXPECT_EQ(d0.state(to), fmt::format("3 l{}|pinned|validated|2", level));
    EXPECT_EQ(d0.info(from).linear_pt_count(), 1);
    EXPECT_EQ(d0.info(to).linear_pt_count(), -1);
    EXPECT_EQ(d0.update(from, 3, 0), 0);
    EXPECT_EQ(d0.info(from).linear_pt_count(), 0);
    EXPECT_EQ(d0.info(to).linear_pt_count(), 0);
  }
}

// No writable linear entry: it would give the guest its own page tables (mm.c:700).
TEST_F(linear_pt_test, writable_is_refused) {
  const auto [from, to] = pinned_pair(4);
  EXPECT_EQ(d0.update(from, 3, make_pte(from, table_flags)), EINVAL_);
  EXPECT_EQ(d0.update(from, 3, make_pte(to, table_flags)), EINVAL_);
}

// No chains: a table that is used linearly holds no linear entries, and the other way round (XSA-240).
TEST_F(linear_pt_test, chains_are_refused) {
  const auto [b, c] = pinned_pair(3);
  const auto [a, d] = pinned_pair(3);
  EXPECT_EQ(d0.update(b, 0, make_pte(c, linear_flags)), 0);
  EXPECT_EQ(d0.update(a, 0, make_pte(b, linear_flags)), EINVAL_) << "b has a linear entry";
  EXPECT_EQ(d0.update(c, 0, make_pte(d, linear_flags)), EINVAL_) << "c is used linearly";
  EXPECT_EQ(d0.update(a, 0, make_pte(c, linear_flags)), 0) << "two users of c are no chain";
  EXPECT_EQ(d0.info(c).linear_pt_count(), -2);
}

// A frame without a type is taken as the level below: linear handling never begins a table (mm.c:731).
TEST_F(linear_pt_test, an_untyped_frame_becomes_the_level_below) {
  const mfn_t from = d0.frame();
  ASSERT_EQ(d0.pin(4, from), 0);
  const mfn_t to = d0.frame();
  EXPECT_EQ(d0.update(from, 3, make_pte(to, linear_flags)), 0);
  EXPECT_EQ(d0.state(to), "2 l3|validated|1");
}

// Only tables of the same owner.
TEST_F(linear_pt_test, a_foreign_table_is_refused) {
  const mfn_t from = d0.frame();
  const mfn_t to = d1.frame();
  ASSERT_EQ(d0.pin(4, from), 0);
  ASSERT_EQ(d1.pin(4, to), 0);
  EXPECT_EQ(d0.update(from, 3, make_pte(to, linear_flags)), EINVAL_);
}

// The type reference of a linear entry keeps the other table validated after its UNPIN.
TEST_F(linear_pt_test, a_linear_entry_keeps_its_table_alive) {
  const auto [from, to] = pinned_pair(4);
  ASSERT_EQ(d0.update(from, 3, make_pte(to, linear_flags)), 0);
  EXPECT_EQ(d0.unpin(to), 0);
  EXPECT_EQ(d0.state(to), "2 l4|validated|1");
  EXPECT_EQ(d0.unpin(from), 0);
  EXPECT_EQ(d0.state(to), "1 l4|0");
}

// Dropping the table that holds the entry drops the linear counts with it.
TEST_F(linear_pt_test, counts_end_with_the_table) {
  const auto [from, to] = pinned_pair(2);
  ASSERT_EQ(d0.update(from, 3, make_pte(to, linear_flags)), 0);
  EXPECT_EQ(d0.unpin(from), 0);
  EXPECT_EQ(d0.info(to).linear_pt_count(), 0);
  EXPECT_EQ(d0.state(to), "2 l2|pinned|validated|1");
}

// A promotion that fails after a linear entry gives the counts back.
TEST_F(linear_pt_test, a_failing_promotion_restores_the_counts) {
  const auto [to, other] = pinned_pair(4);
  const mfn_t table = d0.frame();
  d0.word(table, 1) = make_pte(to, linear_flags);
  d0.word(table, 2) = make_pte(other, table_flags);
  EXPECT_EQ(d0.pin(4, table), EINVAL_);
  EXPECT_EQ(d0.info(to).linear_pt_count(), 0);
  EXPECT_EQ(d0.state(to), "2 l4|pinned|validated|1");
}

}  // namespace
}  // namespace pvmmu::xen
