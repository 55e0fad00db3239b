// multicall: several calls in one, each with its own result (xen 4.17 common/multicall.c).

#include "tests/hypervisor-model/guest_fixture.h"

namespace pvmmu::xen {
namespace {

class multicall_test : public hypervisor_test {
 protected:
  explicit multicall_test(machine_config config = {.frames = 4096}) : hypervisor_test(config) {}

  static mmuext_op_call one(const mmuext_op_t& op) { return {{std::span(&op, 1), false}, 1}; }
  long run(std::span<multicall_entry> entries) {
    return d0.call(multicall_call{entries, false, static_cast<u32>(entries.size())});
  }

  tree t = d0.boot();
  mmuext_op_t pin{MMUEXT_PIN_L1_TABLE, t.l1.n, 0, {}};
  mmuext_op_t unpin{MMUEXT_UNPIN_TABLE, t.l1.n, 0, {}};
};

// A failing entry keeps its errno for itself: the others run, and the multicall returns 0.
TEST_F(multicall_test, goes_on_after_a_failure) {
  std::array entries = {multicall_entry{one(pin)}, multicall_entry{one(pin)}, multicall_entry{one(unpin)}};
  EXPECT_EQ(run(entries), 0);
  EXPECT_EQ(entries[0].result, 0);
  EXPECT_EQ(entries[1].result, EINVAL_);
  EXPECT_EQ(entries[2].result, 0);
  EXPECT_EQ(d0.state(t.l1), "2 l1|validated|1");
}

// No multicall within a multicall: -EINVAL for that entry.
TEST_F(multicall_test, does_not_nest) {
  std::array inner = {multicall_entry{one(pin)}};
  std::array entries = {multicall_entry{multicall_call{inner, false, 1}}};
  EXPECT_EQ(run(entries), 0);
  EXPECT_EQ(entries[0].result, EINVAL_);
  EXPECT_EQ(d0.state(t.l1), "2 l1|validated|1") << "the inner call did not run";
}

// With an iret it ends, and returns the lower half of what that does: what follows is not reached (XSA-213).
TEST_F(multicall_test, ends_with_an_iret) {
  std::array entries = {multicall_entry{one(pin)}, multicall_entry{iret_call{0x7'8000'0003}},
                        multicall_entry{one(unpin), 42}};
  EXPECT_EQ(run(entries), s64{-0x7ffffffd});
  EXPECT_EQ(entries[1].result, 0x7'8000'0003);
  EXPECT_EQ(entries[2].result, 42);
  EXPECT_EQ(d0.state(t.l1), "3 l1|pinned|validated|2");
  EXPECT_EQ(d0.call(iret_call{0x7'8000'0003}), 0x7'8000'0003) << "alone it returns all of it";
}

// A call that the model does not serve is -ENOSYS in its entry.
TEST_F(multicall_test, an_unknown_call_is_enosys) {
  std::array entries = {multicall_entry{unknown_call{60}}, multicall_entry{one(pin)}};
  EXPECT_EQ(run(entries), 0);
  EXPECT_EQ(entries[0].result, ENOSYS_);
  EXPECT_EQ(entries[1].result, 0);
}

// Entries beyond the readable memory end it with -EFAULT; those before have run.
TEST_F(multicall_test, unreadable_entries_are_efault) {
  std::array entries = {multicall_entry{one(pin)}};
  EXPECT_EQ(d0.call(multicall_call{entries, false, 2}), EFAULT_);
  EXPECT_EQ(entries[0].result, 0);
  EXPECT_EQ(d0.state(t.l1), "3 l1|pinned|validated|2");
}

// An entry that is preempted goes on within the multicall: its whole work is done when the multicall returns.
TEST_F(multicall_test, an_entry_with_a_continuation_is_finished) {
  const std::array updates = {entry_update(t.l2, 0, 0), entry_update(t.l2, 1, 0)};
  std::array entries = {multicall_entry{mmu_update_call{{updates, false}, 2, {done_arg::state::writable}}},
                        multicall_entry{one(pin)}};
  EXPECT_EQ(run(entries), 0);
  EXPECT_EQ(entries[0].result, 0);
  EXPECT_EQ(std::get<mmu_update_call>(entries[0].call).pdone.value, 2u);
  EXPECT_EQ(d0.state(t.l1), "2 l1|pinned|validated|1");
}

// An empty multicall is done at once.
TEST_F(multicall_test, of_nothing) { EXPECT_EQ(run({}), 0); }

// A release build leaves the entries as they were.
TEST_F(multicall_test, a_release_build_leaves_the_entries) {
  std::array entries = {multicall_entry{one(pin)}};
  EXPECT_EQ(run(entries), 0);
  EXPECT_FALSE(entries[0].overwritten);
}

class debug_multicall_test : public multicall_test {
 protected:
  debug_multicall_test() : multicall_test({.frames = 4096, .debug_build = true}) {}
};

// A debug build overwrites the entries with 0xAA before it writes their results.
TEST_F(debug_multicall_test, overwrites_the_entries) {
  std::array entries = {multicall_entry{one(pin)}, multicall_entry{one(pin)}};
  EXPECT_EQ(run(entries), 0);
  EXPECT_TRUE(entries[0].overwritten);
  EXPECT_TRUE(entries[1].overwritten);
  EXPECT_EQ(entries[1].result, EINVAL_);
}

}  // namespace
}  // namespace pvmmu::xen
