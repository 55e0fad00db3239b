// The end of a domain: every reference that it holds goes, and every frame of its own is free (I11).

#include "tests/hypervisor-model/guest_fixture.h"

namespace pvmmu::xen {
namespace {

class teardown_test : public hypervisor_test {
 protected:
  void expect_free(std::initializer_list<mfn_t> frames) {
    for (const mfn_t mfn : frames) {
      EXPECT_EQ(m.page(mfn).owner, owner_none) << mfn.n;
      EXPECT_EQ(m.page(mfn).ref_count(), 0u) << mfn.n;
      EXPECT_EQ(m.page(mfn).type_info, 0u) << mfn.n;
    }
  }
  tree t = d1.boot();
};

// A running tree is taken down, its root loaded by a vCPU.
TEST_F(teardown_test, a_running_tree) {
  m.remove_domain(1);
  expect_free({t.l4, t.l3, t.l2, t.l1, t.data});
}

// Pins of every level, a user root, a GDT.
TEST_F(teardown_test, pins_and_roots_and_descriptors) {
  const tree u = d1.build_tree();
  const mfn_t gdt = d1.frame();
  const std::array frames = {gdt.n};
  ASSERT_EQ(d1.pin(1, t.l1), 0);
  ASSERT_EQ(d1.pin(2, t.l2), 0);
  ASSERT_EQ(d1.pin(4, u.l4), 0);
  ASSERT_EQ(d1.user_baseptr(u.l4), 0);
  ASSERT_EQ(d1.call(set_gdt_call{{frames, false}, 512}), 0);
  m.remove_domain(1);
  expect_free({t.l4, t.l3, t.l2, t.l1, t.data, u.l4, u.l3, u.l2, u.l1, u.data, gdt});
}

// Tables that name themselves and each other.
TEST_F(teardown_test, linear_tables) {
  const mfn_t a = d1.frame(), b = d1.frame();
  ASSERT_EQ(d1.pin(3, a), 0);
  ASSERT_EQ(d1.pin(3, b), 0);
  ASSERT_EQ(d1.update(a, 1, make_pte(b, linear_flags)), 0);
  ASSERT_EQ(d1.update(t.l4, 1, make_pte(a, table_flags)), 0);
  ASSERT_EQ(d1.update(t.l4, 511, make_pte(t.l4, linear_flags)), 0);
  m.remove_domain(1);
  expect_free({t.l4, t.l3, t.l2, t.l1, t.data, a, b});
}

// A table that is only partly taken down.
TEST_F(teardown_test, a_partial_table) {
  class at_once : public preemption {
   public:
    bool check() override { return true; }
  } now;
  ASSERT_EQ(d1.pin(4, t.l4), 0);
  ASSERT_EQ(d1.baseptr(d1.build_tree().l4), 0);
  const std::array op = {mmuext_op_t{MMUEXT_UNPIN_TABLE, t.l4.n, 0, {}}};
  hypercall call = mmuext_op_call{{op, false}, 1};
  m.preempt_by(&now);
  EXPECT_EQ(do_hypercall_piece(m, d1.cpu(), call), HYPERVISOR_mmuext_op);
  EXPECT_NE(d1.info(t.l4).type_info & PGT_partial, 0u);
  m.remove_domain(1);
  m.preempt_by(nullptr);
  expect_free({t.l4, t.l3, t.l2, t.l1, t.data});
}

// What dom0 still maps stays allocated until dom0 lets go of it.
TEST_F(teardown_test, a_frame_that_another_domain_maps) {
  const tree own = d0.boot();
  ASSERT_EQ(d0.update(own.l1, 5, make_pte(t.data, rw_flags), MMU_NORMAL_PT_UPDATE, 1), 0);
  m.remove_domain(1);
  expect_free({t.l4, t.l3, t.l2, t.l1});
  EXPECT_EQ(m.page(t.data).ref_count(), 1u);
  EXPECT_EQ(describe(audit(m)), "");
  EXPECT_EQ(d0.update(own.l1, 5, 0), 0);
  expect_free({t.data});
}

// A crashed domain can be ended like any other.
TEST_F(teardown_test, a_crashed_domain) {
  EXPECT_NE(d1.update(t.l1, 3, 0x1000), 0);
  ASSERT_TRUE(d1.d.crashed);
  m.remove_domain(1);
  expect_free({t.l4, t.l3, t.l2, t.l1, t.data});
}

// Freed frames are given out again, zeroed.
TEST_F(teardown_test, freed_frames_are_zero_when_they_come_again) {
  m.remove_domain(1);
  guest next(m, domain_kind::domU);
  const tree again = next.build_tree();
  EXPECT_EQ(again.l4, t.l4) << "ascending, as before";
  EXPECT_EQ(next.word(again.l4, 256), 0u);
}

}  // namespace
}  // namespace pvmmu::xen
