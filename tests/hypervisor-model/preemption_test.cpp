// Preempted calls: what the guest's processor calls again with, and what a half-done table looks like meanwhile.

#include <array>

#include "hypervisor-model/requested_preemption.h"
#include "tests/hypervisor-model/guest_fixture.h"

namespace pvmmu::xen {
namespace {

class preemption_test : public hypervisor_test {
 protected:
  /// Runs `call` to its end and audits between its pieces. How many there were.
  int pieces(hypercall& call) {
    int n = 0;
    do {
      result = do_hypercall_piece(m, d0.cpu(), call);
      ++n;
      EXPECT_EQ(describe(audit(m)), "") << "after piece " << n;
    } while (d0.cpu().hcall_preempted);
    return n;
  }
  hypercall op(u32 cmd, mfn_t mfn) {
    list = {{cmd, mfn.n, 0, {}}};
    return mmuext_op_call{{list, false}, 1, {done_arg::state::writable}};
  }

  tree t = d0.build_tree();
  std::vector<mmuext_op_t> list;
  long result = 0;
};

// An L2 that is preempted between entries is partial: type kept with count 1, one more general reference, and how far
// it came. The next piece resumes there.
TEST_F(preemption_test, a_partial_l2) {
  const std::array<u32, 1> at{10};
  const requested_preemption when(m, at);
  hypercall call = op(MMUEXT_PIN_L2_TABLE, t.l2);
  EXPECT_EQ(do_hypercall_piece(m, d0.cpu(), call), HYPERVISOR_mmuext_op);
  EXPECT_EQ(d0.state(t.l2), "2 l2|partial|1");
  EXPECT_EQ(d0.info(t.l2).nr_validated_ptes(), 10u);
  EXPECT_FALSE(d0.info(t.l2).partial_set());
  EXPECT_EQ(std::get<mmuext_op_call>(call).count, 1 | MMU_UPDATE_PREEMPTED);
  EXPECT_EQ(d0.state(t.l1), "2 l1|validated|1") << "slot 0 is validated, and holds its reference";
  EXPECT_EQ(describe(audit(m)), "");
  EXPECT_EQ(do_hypercall_piece(m, d0.cpu(), call), 0);
  EXPECT_EQ(d0.state(t.l2), "2 l2|pinned|validated|1");
}

// The tables above it are partial as well, each with the reference of the entry that it stopped at.
TEST_F(preemption_test, a_partial_tree) {
  const std::array<u32, 1> at{10};
  const requested_preemption when(m, at);
  hypercall call = op(MMUEXT_PIN_L4_TABLE, t.l4);
  EXPECT_EQ(do_hypercall_piece(m, d0.cpu(), call), HYPERVISOR_mmuext_op);
  EXPECT_EQ(d0.state(t.l4), "2 l4|partial|1");
  EXPECT_EQ(d0.state(t.l3), "3 l3|partial|1") << "allocation, partial, and the L4's slot 0";
  EXPECT_TRUE(d0.info(t.l4).partial_set());
  EXPECT_EQ(d0.info(t.l4).nr_validated_ptes(), 0u);
  EXPECT_EQ(pieces(call), 1);
  EXPECT_EQ(result, 0);
  EXPECT_EQ(d0.state(t.l4), "2 l4|pinned|validated|1");
}

// Another table may ask for a partial one: it finishes the work (XSA-299's story).
TEST_F(preemption_test, whoever_needs_a_partial_table_finishes_it) {
  const std::array<u32, 1> at{10};
  const requested_preemption when(m, at);
  hypercall call = op(MMUEXT_PIN_L3_TABLE, t.l3);
  EXPECT_EQ(do_hypercall_piece(m, d0.cpu(), call), HYPERVISOR_mmuext_op);
  m.preempt_by(nullptr);
  const mfn_t other = d0.frame();
  d0.word(other, 9) = make_pte(t.l2, table_flags);
  ASSERT_EQ(d0.baseptr(d0.build_tree().l4, 1), 0);
  EXPECT_EQ(d0.ext({MMUEXT_PIN_L3_TABLE, other.n, 0, {}}, DOMID_SELF, 1), 0) << "by another vCPU";
  EXPECT_EQ(d0.state(t.l2), "3 l2|validated|1") << "the entry of the partial L3 still holds its general reference";
  EXPECT_EQ(describe(audit(m)), "");
  EXPECT_EQ(pieces(call), 1);
  EXPECT_EQ(d0.state(t.l2), "3 l2|validated|2");
}

// A take-down that is preempted, while another vCPU asks for the table again (XSA-299).
TEST_F(preemption_test, a_table_needed_again_while_it_is_taken_down) {
  ASSERT_EQ(d0.pin(3, t.l3), 0);
  const std::array<u32, 1> at{700};
  const requested_preemption when(m, at);
  hypercall call = op(MMUEXT_UNPIN_TABLE, t.l3);
  EXPECT_EQ(do_hypercall_piece(m, d0.cpu(), call), HYPERVISOR_mmuext_op);
  EXPECT_NE(d0.info(t.l3).type_info & PGT_partial, 0u);
  EXPECT_EQ(describe(audit(m)), "");
  EXPECT_EQ(d0.ext({MMUEXT_PIN_L3_TABLE, t.l3.n, 0, {}}, DOMID_SELF, 1), 0);
  EXPECT_EQ(describe(audit(m)), "");
  EXPECT_EQ(pieces(call), 1);
  EXPECT_EQ(result, 0);
  EXPECT_EQ(d0.state(t.l3), "2 l3|pinned|validated|1");
}

// At every possible moment: a pin and an unpin of a tree end as without preemption, whenever it comes.
TEST_F(preemption_test, one_preemption_anywhere) {
  for (u32 n = 1; n < 2200; n += 13) {
    const std::array<u32, 1> at{n};
    const requested_preemption when(m, at);
    hypercall pin = op(MMUEXT_PIN_L4_TABLE, t.l4);
    pieces(pin);
    ASSERT_EQ(result, 0) << n;
    ASSERT_EQ(d0.state(t.l1), "2 l1|validated|1") << n;
    hypercall unpin = op(MMUEXT_UNPIN_TABLE, t.l4);
    pieces(unpin);
    ASSERT_EQ(result, 0) << n;
    ASSERT_EQ(d0.state(t.l1), "1 l1|0") << n;
  }
}

// A failing promotion that was preempted ends with the same errno, and nothing held.
TEST_F(preemption_test, a_failure_after_a_preemption) {
  d0.word(t.l2, 300) = make_pte(d1.frame(), table_flags);
  for (u32 n = 1; n < 700; n += 7) {
    const std::array<u32, 1> at{n};
    const requested_preemption when(m, at);
    hypercall pin = op(MMUEXT_PIN_L3_TABLE, t.l3);
    pieces(pin);
    ASSERT_EQ(result, EINVAL_) << n;
    for (const mfn_t mfn : {t.l3, t.l2, t.l1}) ASSERT_EQ(d0.info(mfn).ref_count(), 1u) << n;
  }
}

// A linear entry keeps its counts over a preemption and a resumption (XSA-309).
TEST_F(preemption_test, linear_counts_survive_a_preemption) {
  const mfn_t from = d0.frame(), to = d0.frame();
  ASSERT_EQ(d0.pin(2, to), 0);
  d0.word(from, 0) = make_pte(to, linear_flags);
  const std::array<u32, 1> at{10};
  const requested_preemption when(m, at);
  hypercall call = op(MMUEXT_PIN_L2_TABLE, from);
  EXPECT_EQ(pieces(call), 2);
  EXPECT_EQ(d0.info(from).linear_pt_count(), 1);
  EXPECT_EQ(d0.info(to).linear_pt_count(), -1);
}

// mmu_update and mmuext_op check between entries; `done` counts over all pieces.
TEST_F(preemption_test, batches_are_preempted_between_entries) {
  ASSERT_EQ(d0.baseptr(t.l4), 0);
  std::vector<mmu_update_t> updates;
  for (unsigned slot = 1; slot < 9; ++slot) updates.push_back(entry_update(t.l1, slot, make_pte(t.data, ro_flags)));
  const std::array<u32, 1> at{3};
  const requested_preemption when(m, at);
  hypercall call = mmu_update_call{{updates, false}, 8, {done_arg::state::writable}};
  EXPECT_EQ(do_hypercall_piece(m, d0.cpu(), call), HYPERVISOR_mmu_update);
  EXPECT_EQ(std::get<mmu_update_call>(call).count, 5 | MMU_UPDATE_PREEMPTED);
  EXPECT_EQ(std::get<mmu_update_call>(call).pdone.value, 3u);
  EXPECT_EQ(do_hypercall_piece(m, d0.cpu(), call), 0);
  EXPECT_EQ(std::get<mmu_update_call>(call).pdone.value, 8u);
}

// A multicall is preempted between its entries, and goes on with the next.
TEST_F(preemption_test, a_multicall_is_preempted_between_entries) {
  const std::array pins = {mmuext_op_t{MMUEXT_PIN_L1_TABLE, t.l1.n, 0, {}},
                           mmuext_op_t{MMUEXT_UNPIN_TABLE, t.l1.n, 0, {}}};
  std::array entries = {multicall_entry{mmuext_op_call{{std::span(pins).first(1), false}, 1}},
                        multicall_entry{mmuext_op_call{{std::span(pins).last(1), false}, 1}}};
  const std::array<u32, 1> at{1};
  const requested_preemption when(m, at);
  hypercall call = multicall_call{entries, false, 2};
  EXPECT_EQ(do_hypercall_piece(m, d0.cpu(), call), HYPERVISOR_multicall);
  EXPECT_EQ(d0.state(t.l1), "2 l1|pinned|validated|1");
  EXPECT_EQ(do_hypercall_piece(m, d0.cpu(), call), 0);
  EXPECT_EQ(d0.state(t.l1), "1 l1|0");
}

}  // namespace
}  // namespace pvmmu::xen
