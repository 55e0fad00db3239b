// mmuext_op: every command, and every errno of its table (xen 4.17 mm.c:3440).

#include "tests/hypervisor-model/guest_fixture.h"

namespace pvmmu::xen {
namespace {

class mmuext_op_test : public hypervisor_test {
 protected:
  tree t = d0.boot();
  tree u = d1.boot();
};

// PIN: not owned, no memory, of another type, pinned already: -EINVAL each, and no count moves.
TEST_F(mmuext_op_test, pin_refuses_with_einval) {
  EXPECT_EQ(d0.pin(1, u.l1), EINVAL_) << "not owned";
  EXPECT_EQ(d0.pin(1, {m.config().frames}), EINVAL_) << "beyond memory";
  EXPECT_EQ(d0.pin(1, {~u64{0}}), EINVAL_) << "no frame at all";
  EXPECT_EQ(d0.pin(1, t.l2), EINVAL_) << "an L2";
  EXPECT_EQ(d0.pin(1, t.data), EINVAL_) << "mapped writable";
  ASSERT_EQ(d0.pin(1, t.l1), 0);
  EXPECT_EQ(d0.pin(1, t.l1), EINVAL_) << "pinned already";
  EXPECT_EQ(d0.state(t.l1), "3 l1|pinned|validated|2");
}

// The second PIN of an upper table drops its extra reference through the deferred path, and is -EINVAL too.
TEST_F(mmuext_op_test, pinning_an_upper_table_twice_is_einval) {
  for (const auto& [level, table] : {std::pair{2u, t.l2}, {3u, t.l3}, {4u, t.l4}}) {
    ASSERT_EQ(d0.pin(level, table), 0);
    const std::string before = d0.state(table);
    EXPECT_EQ(d0.pin(level, table), EINVAL_);
    EXPECT_EQ(d0.state(table), before);
  }
}

// A debug build says so, and says which frame was not pinned.
TEST_F(debug_hypervisor_test, messages_of_pin_and_unpin) {
  const mfn_t table = d0.frame();
  ASSERT_EQ(d0.pin(1, table), 0);
  witness seen(m);
  EXPECT_EQ(d0.pin(1, table), EINVAL_);
  EXPECT_EQ(d0.unpin(table), 0);
  EXPECT_EQ(d0.unpin(table), EINVAL_);
  EXPECT_THAT(seen.messages, testing::ElementsAre(testing::HasSubstr(fmt::format("mfn {:05x} already pinned", table.n)),
                                                  testing::HasSubstr(fmt::format("mfn {:05x} not pinned", table.n))));
}

// UNPIN: not owned or not pinned is -EINVAL.
TEST_F(mmuext_op_test, unpin_refuses_with_einval) {
  EXPECT_EQ(d0.unpin(t.l1), EINVAL_) << "in use, but not pinned";
  EXPECT_EQ(d0.unpin(t.data), EINVAL_);
  EXPECT_EQ(d0.unpin(u.l1), EINVAL_) << "not owned";
  EXPECT_EQ(d0.unpin({m.config().frames}), EINVAL_);
  ASSERT_EQ(d0.pin(4, t.l4), 0);
  EXPECT_EQ(d0.unpin(t.l4), 0);
  EXPECT_EQ(d0.state(t.l4), "2 l4|validated|1") << "the vCPU holds it";
}

// A pin alone holds a whole tree, and its UNPIN takes it down.
TEST_F(mmuext_op_test, unpin_takes_a_tree_down) {
  const tree w = d0.build_tree();
  ASSERT_EQ(d0.pin(4, w.l4), 0);
  EXPECT_EQ(d0.state(w.l1), "2 l1|validated|1");
  EXPECT_EQ(d0.unpin(w.l4), 0);
  EXPECT_EQ(d0.state(w.l4), "1 l4|0");
  EXPECT_EQ(d0.state(w.l1), "1 l1|0");
}

// dom0 pins and unpins a domU's tables, as the tools' builder does.
TEST_F(mmuext_op_test, dom0_pins_foreign_tables) {
  EXPECT_EQ(d0.pin(1, u.l1, d1.d.domid), 0);
  EXPECT_EQ(d0.unpin(u.l1, d1.d.domid), 0);
}

// Who may name whom: -ESRCH for oneself and for nobody, -EPERM for a domU that names dom0, -EINVAL for dom_xen,
// which is no PV domain; `done` stays unwritten in all of them (facts section 1).
TEST_F(mmuext_op_test, foreigndom_errors_do_not_write_done) {
  EXPECT_EQ(d0.exts({{MMUEXT_PIN_L1_TABLE, t.l1.n, 0, {}}}, d0.d.domid), ESRCH_);
  EXPECT_EQ(d0.done, std::nullopt);
  EXPECT_EQ(d0.exts({{MMUEXT_PIN_L1_TABLE, t.l1.n, 0, {}}}, 77), ESRCH_);
  EXPECT_EQ(d0.done, std::nullopt);
  EXPECT_EQ(d1.exts({{MMUEXT_PIN_L1_TABLE, t.l1.n, 0, {}}}, d0.d.domid), EPERM_);
  EXPECT_EQ(d1.done, std::nullopt);
}

// A new baseptr drops the old root, and the same one again does nothing.
TEST_F(mmuext_op_test, new_baseptr_swaps_the_root) {
  const tree w = d0.build_tree();
  EXPECT_EQ(d0.baseptr(w.l4), 0);
  EXPECT_EQ(d0.state(w.l4), "2 l4|validated|1");
  EXPECT_EQ(d0.state(t.l4), "1 l4|0");
  EXPECT_EQ(d0.baseptr(w.l4), 0);
  EXPECT_EQ(d0.state(w.l4), "2 l4|validated|1");
}

// NEW_BASEPTR: foreign -EPERM; not owned or of another type -EINVAL; the old root stays.
TEST_F(mmuext_op_test, new_baseptr_errors) {
  EXPECT_EQ(d0.ext({MMUEXT_NEW_BASEPTR, u.l4.n, 0, {}}, d1.d.domid), EPERM_);
  EXPECT_EQ(d0.baseptr(u.l4), EINVAL_);
  EXPECT_EQ(d0.baseptr(t.l3), EINVAL_);
  EXPECT_EQ(d0.baseptr({0}), EINVAL_) << "unlike the user's, it cannot be cleared";
  EXPECT_EQ(d0.cpu().guest_table, t.l4);
  EXPECT_EQ(d0.state(t.l4), "2 l4|validated|1");
}

// NEW_USER_BASEPTR: the same, and 0 clears it.
TEST_F(mmuext_op_test, new_user_baseptr) {
  const tree w = d0.build_tree();
  EXPECT_EQ(d0.ext({MMUEXT_NEW_USER_BASEPTR, u.l4.n, 0, {}}, d1.d.domid), EPERM_);
  EXPECT_EQ(d0.user_baseptr(u.l4), EINVAL_);
  EXPECT_EQ(d0.user_baseptr(t.l3), EINVAL_);
  EXPECT_EQ(d0.user_baseptr(w.l4), 0);
  EXPECT_EQ(d0.state(w.l4), "2 l4|validated|1");
  EXPECT_EQ(d0.user_baseptr(w.l4), 0) << "the same again";
  EXPECT_EQ(d0.state(w.l4), "2 l4|validated|1");
  EXPECT_EQ(d0.user_baseptr({0}), 0);
  EXPECT_EQ(d0.state(w.l4), "1 l4|0");
  EXPECT_EQ(d0.user_baseptr(t.l4), 0) << "kernel and user root may be one";
  EXPECT_EQ(d0.state(t.l4), "3 l4|validated|2");
}

// With m2p_strict a user root has no M2P in slot 256; without, a kernel root has it.
TEST_F(mmuext_op_test, m2p_strict_zaps_the_user_roots_m2p) {
  ASSERT_NE(d0.word(t.l4, 256), 0u);
  ASSERT_EQ(d0.call(vm_assist_call{VMASST_CMD_enable, VMASST_TYPE_m2p_strict}), 0);
  const tree w = d0.build_tree();
  EXPECT_EQ(d0.user_baseptr(w.l4), 0);
  EXPECT_EQ(d0.word(w.l4, 256), 0u);
  ASSERT_EQ(d0.call(vm_assist_call{VMASST_CMD_disable, VMASST_TYPE_m2p_strict}), 0);
  EXPECT_EQ(d0.baseptr(w.l4), 0);
  EXPECT_TRUE(present(d0.word(w.l4, 256))) << "filled when it becomes the kernel's";
}

class flush_op_test : public mmuext_op_test, public testing::WithParamInterface<u32> {};

// Every flush and SET_LDT is for the caller alone: a foreign domain is -EPERM.
TEST_P(flush_op_test, foreign_is_eperm) { EXPECT_EQ(d0.ext({GetParam(), 0, 0, 0u}, d1.d.domid), EPERM_); }

INSTANTIATE_TEST_SUITE_P(all, flush_op_test,
                         testing::Values(MMUEXT_TLB_FLUSH_LOCAL, MMUEXT_INVLPG_LOCAL, MMUEXT_TLB_FLUSH_MULTI,
                                         MMUEXT_INVLPG_MULTI, MMUEXT_TLB_FLUSH_ALL, MMUEXT_INVLPG_ALL,
                                         MMUEXT_FLUSH_CACHE, MMUEXT_FLUSH_CACHE_GLOBAL, MMUEXT_SET_LDT));

// Each flush reaches the vCPUs that it names: the caller, a set, or all that run on the domain's tables.
TEST_F(mmuext_op_test, flushes_reach_whom_they_name) {
  ASSERT_EQ(d0.baseptr(t.l4, 1), 0);
  witness seen(m);
  EXPECT_EQ(d0.ext({MMUEXT_TLB_FLUSH_LOCAL, 0, 0, {}}), 0);
  EXPECT_EQ(d0.ext({MMUEXT_INVLPG_LOCAL, 0x1000, 0, {}}), 0);
  EXPECT_EQ(d0.ext({MMUEXT_TLB_FLUSH_MULTI, 0, 0, 2u}), 0);
  EXPECT_EQ(d0.ext({MMUEXT_INVLPG_MULTI, 0x1000, 0, 3u}), 0);
  EXPECT_EQ(d0.ext({MMUEXT_TLB_FLUSH_ALL, 0, 0, {}}), 0);
  EXPECT_EQ(d0.ext({MMUEXT_INVLPG_ALL, 0x1000, 0, {}}), 0);
  EXPECT_THAT(seen.masks(flush_reason::guest), testing::ElementsAre(1u, 1u, 2u, 3u, 3u, 3u));
}

// vCPUs that the domain does not have end the set (mm.c:3425); those that run on no tables are not flushed.
TEST_F(mmuext_op_test, a_set_of_vcpus_beyond_the_domains_is_cut) {
  witness seen(m);
  EXPECT_EQ(d0.ext({MMUEXT_TLB_FLUSH_MULTI, 0, 0, ~u64{0}}), 0);
  EXPECT_THAT(seen.masks(flush_reason::guest), testing::ElementsAre(1u));
}

// A set that cannot be read is -EINVAL (not -EFAULT: mm.c:3763), for INVLPG too.
TEST_F(mmuext_op_test, an_unreadable_set_is_einval) {
  EXPECT_EQ(d0.ext({MMUEXT_TLB_FLUSH_MULTI, 0, 0, std::nullopt}), EINVAL_);
  EXPECT_EQ(d0.ext({MMUEXT_INVLPG_MULTI, 0, 0, std::nullopt}), EINVAL_);
}

// A bad address is skipped silently in MULTI and ALL.
TEST_F(mmuext_op_test, a_bad_address_is_skipped) {
  const u64 bad = u64{1} << 63;
  witness seen(m);
  EXPECT_EQ(d0.ext({MMUEXT_INVLPG_MULTI, bad, 0, 1u}), 0);
  EXPECT_EQ(d0.ext({MMUEXT_INVLPG_ALL, bad, 0, {}}), 0);
  EXPECT_EQ(seen.count(event_kind::flush), 0u);
}

// Cache flushes are for domains with devices: -EACCES and -EINVAL otherwise.
TEST_F(mmuext_op_test, cache_flushes_need_devices) {
  EXPECT_EQ(d1.ext({MMUEXT_FLUSH_CACHE, 0, 0, {}}), EACCES_);
  EXPECT_EQ(d1.ext({MMUEXT_FLUSH_CACHE_GLOBAL, 0, 0, {}}), EINVAL_);
  d1.d.iomem_caps.push_back({{0xfee00}, {0xfee00}});
  EXPECT_EQ(d1.ext({MMUEXT_FLUSH_CACHE, 0, 0, {}}), 0);
  EXPECT_EQ(d1.ext({MMUEXT_FLUSH_CACHE_GLOBAL, 0, 0, {}}), 0);
}

// SET_LDT checks entries, alignment and address; without entries the address does not matter.
TEST_F(mmuext_op_test, set_ldt_checks_its_arguments) {
  EXPECT_EQ(d0.ext({MMUEXT_SET_LDT, 0x1000, 8192, {}}), 0);
  EXPECT_EQ(d0.ext({MMUEXT_SET_LDT, 0x1000, 8193, {}}), EINVAL_);
  EXPECT_EQ(d0.ext({MMUEXT_SET_LDT, 0x1008, 1, {}}), EINVAL_);
  EXPECT_EQ(d0.ext({MMUEXT_SET_LDT, u64{1} << 63, 1, {}}), EINVAL_);
  EXPECT_EQ(d0.ext({MMUEXT_SET_LDT, 0x1008, 0, {}}), 0);
}

// CLEAR_PAGE and COPY_PAGE work on memory that can be writable, and leave no reference behind.
TEST_F(mmuext_op_test, clear_and_copy_page) {
  const mfn_t other = d0.frame();
  d0.word(t.data, 511) = 0x1234;
  EXPECT_EQ(d0.ext({MMUEXT_COPY_PAGE, other.n, t.data.n, {}}), 0);
  EXPECT_EQ(d0.word(other, 511), 0x1234u);
  EXPECT_EQ(d0.state(other), "1 writable|validated|0");
  EXPECT_EQ(d0.ext({MMUEXT_CLEAR_PAGE, t.data.n, 0, {}}), 0);
  EXPECT_EQ(d0.word(t.data, 511), 0u);
  EXPECT_EQ(d0.state(t.data), "2 writable|validated|1");
}

// A page table can be a source, never a destination; foreign and missing frames are neither.
TEST_F(mmuext_op_test, clear_and_copy_page_errors) {
  EXPECT_EQ(d0.ext({MMUEXT_CLEAR_PAGE, t.l1.n, 0, {}}), EINVAL_);
  EXPECT_EQ(d0.ext({MMUEXT_COPY_PAGE, t.l1.n, t.data.n, {}}), EINVAL_);
  EXPECT_EQ(d0.ext({MMUEXT_COPY_PAGE, t.data.n, t.l1.n, {}}), 0);
  EXPECT_EQ(d0.word(t.data, 0), d0.word(t.l1, 0));
  for (const u64 mfn : {u.data.n, m.config().frames, ~u64{0}}) {
    EXPECT_EQ(d0.ext({MMUEXT_CLEAR_PAGE, mfn, 0, {}}), EINVAL_);
    EXPECT_EQ(d0.ext({MMUEXT_COPY_PAGE, t.data.n, mfn, {}}), EINVAL_);
    EXPECT_EQ(d0.ext({MMUEXT_COPY_PAGE, mfn, t.data.n, {}}), EINVAL_);
  }
  EXPECT_EQ(d0.ext({MMUEXT_CLEAR_PAGE, u.data.n, 0, {}}, d1.d.domid), 0) << "for its owner dom0 may";
}

// MARK_SUPER and UNMARK_SUPER are gone: -EOPNOTSUPP; what never was, 14 included: -ENOSYS.
TEST_F(mmuext_op_test, commands_that_are_not_served) {
  EXPECT_EQ(d0.ext({MMUEXT_MARK_SUPER, 0, 0, {}}), EOPNOTSUPP_);
  EXPECT_EQ(d0.ext({MMUEXT_UNMARK_SUPER, 0, 0, {}}), EOPNOTSUPP_);
  for (const u32 cmd : {14u, 21u, 0xffffffffu}) EXPECT_EQ(d0.ext({cmd, 0, 0, {}}), ENOSYS_) << cmd;
}

// It stops at the first failure and reports what came before.
TEST_F(mmuext_op_test, stops_at_the_first_failure) {
  const mfn_t table = d0.frame();
  EXPECT_EQ(d0.exts({{MMUEXT_PIN_L1_TABLE, t.l1.n, 0, {}},
                     {MMUEXT_PIN_L1_TABLE, t.l1.n, 0, {}},
                     {MMUEXT_PIN_L1_TABLE, table.n, 0, {}}}),
            EINVAL_);
  EXPECT_EQ(d0.done, 1u);
  EXPECT_EQ(d0.state(table), "1 none|0");
}

// Operations beyond the readable memory are -EFAULT there.
TEST_F(mmuext_op_test, unreadable_operations_are_efault) {
  const std::array list = {mmuext_op_t{MMUEXT_PIN_L1_TABLE, t.l1.n, 0, {}}};
  hypercall call = mmuext_op_call{{list, false}, 2, {done_arg::state::writable}};
  EXPECT_EQ(do_hypercall(m, d0.cpu(), call), EFAULT_);
  EXPECT_EQ(std::get<mmuext_op_call>(call).pdone.value, 1u);
}

// Bit 31 alone with a NULL list returns foreigndom; with a list it goes on counting.
TEST_F(mmuext_op_test, the_continuation_bit) {
  hypercall end = mmuext_op_call{{{}, true}, MMU_UPDATE_PREEMPTED, {}, static_cast<u32>(-22)};
  EXPECT_EQ(do_hypercall(m, d0.cpu(), end), EINVAL_);
  const std::array list = {mmuext_op_t{MMUEXT_PIN_L1_TABLE, t.l1.n, 0, {}}};
  hypercall on = mmuext_op_call{{list, false}, 1 | MMU_UPDATE_PREEMPTED, {done_arg::state::writable, 6}};
  EXPECT_EQ(do_hypercall(m, d0.cpu(), on), 0);
  EXPECT_EQ(std::get<mmuext_op_call>(on).pdone.value, 7u);
}

// An UNPIN whose tree is taken down does not end the piece: only true preemption, or a failed pin's rest, does.
TEST_F(mmuext_op_test, unpin_is_one_piece) {
  const tree w = d0.build_tree();
  ASSERT_EQ(d0.pin(4, w.l4), 0);
  const std::array list = {mmuext_op_t{MMUEXT_UNPIN_TABLE, w.l4.n, 0, {}}};
  hypercall call = mmuext_op_call{{list, false}, 1, {}};
  EXPECT_EQ(do_hypercall_piece(m, d0.cpu(), call), 0);
}

}  // namespace
}  // namespace pvmmu::xen
