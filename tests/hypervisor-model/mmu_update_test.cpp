// mmu_update: commands, targets, owners, and what it reports (xen 4.17 mm.c:3979).

#include "tests/hypervisor-model/guest_fixture.h"

namespace pvmmu::xen {
namespace {

class mmu_update_test : public hypervisor_test {
 protected:
  /// `foreigndom` for pages of `fd` in tables of `pfd`.
  static u32 foreign(domid_t fd, domid_t pfd) { return u32{fd} | (u32{pfd} + 1) << 16; }

  tree t = d0.boot();
  tree u = d1.boot();
};

// Commands 4 to 7 do not exist.
TEST_F(mmu_update_test, unknown_commands_are_enosys) {
  for (const u32 cmd : {4u, 5u, 6u, 7u}) EXPECT_EQ(d0.update(t.l1, 1, 0, cmd), ENOSYS_) << cmd;
}

// NO_TRANSLATE is a normal update for a PV guest.
TEST_F(mmu_update_test, no_translate_is_a_normal_update) {
  EXPECT_EQ(d0.update(t.l1, 1, make_pte(t.data, rw_flags), MMU_PT_UPDATE_NO_TRANSLATE), 0);
  EXPECT_EQ(d0.state(t.data), "3 writable|validated|2");
}

// It stops at the first failure without rolling back, and reports how many succeeded before it.
TEST_F(mmu_update_test, stops_at_the_first_failure) {
  const u64 good = make_pte(t.data, ro_flags);
  const u64 bad = make_pte(t.l2, rw_flags);
  EXPECT_EQ(d0.updates({entry_update(t.l1, 1, good), entry_update(t.l1, 2, good), entry_update(t.l1, 3, bad),
                        entry_update(t.l1, 4, good)}),
            EBUSY_);
  EXPECT_EQ(d0.done, 2u);
  EXPECT_EQ(d0.word(t.l1, 2), good);
  EXPECT_EQ(d0.word(t.l1, 4), 0u);
}

// A frame of no type, or with no reference to it, is written raw, whatever the value, and becomes writable by it.
TEST_F(mmu_update_test, an_untyped_frame_is_written_raw) {
  const mfn_t plain = d0.frame();
  EXPECT_EQ(d0.update(plain, 7, 0xdeadbeefdeadbeef), 0);
  EXPECT_EQ(d0.word(plain, 7), 0xdeadbeefdeadbeefu);
  EXPECT_EQ(d0.state(plain), "1 writable|validated|0");
  EXPECT_EQ(m.perfc.writable_mmu_updates, 1u);
}

// The raw write of a table at count 0 takes its type away.
TEST_F(mmu_update_test, a_table_at_count_0_becomes_writable) {
  const mfn_t table = d0.frame();
  ASSERT_EQ(d0.pin(1, table), 0);
  ASSERT_EQ(d0.unpin(table), 0);
  EXPECT_EQ(d0.update(table, 0, 1), 0);
  EXPECT_EQ(d0.state(table), "1 writable|validated|0");
}

// A mapped data page is written raw too, bits and all.
TEST_F(mmu_update_test, a_writable_page_is_written_raw) {
  EXPECT_EQ(d0.update(t.data, 7, 0xdeadbeefdeadbeef), 0);
  EXPECT_EQ(d0.word(t.data, 7), 0xdeadbeefdeadbeefu);
  EXPECT_EQ(d0.state(t.data), "2 writable|validated|1");
}

// A segment-descriptor page in use takes no updates: -EINVAL.
TEST_F(mmu_update_test, a_held_seg_desc_is_refused) {
  const mfn_t gdt = d0.frame();
  const std::array frames = {gdt.n};
  ASSERT_EQ(d0.call(set_gdt_call{{frames, false}, 512}), 0);
  EXPECT_EQ(d0.update(gdt, 0, 0), EINVAL_);
}

// A frame of nobody, of another or beyond memory is no place to write to.
TEST_F(mmu_update_test, the_table_must_be_owned) {
  EXPECT_EQ(d0.update(u.l1, 1, 0), EINVAL_);
  EXPECT_EQ(d0.update({m.config().frames}, 1, 0), EINVAL_);
  EXPECT_EQ(d0.update({m.config().frames - 1}, 1, 0), EINVAL_);
  EXPECT_EQ(d0.done, 0u);
}

// MACHPHYS records any pfn for an owned frame, and nothing for another's.
TEST_F(mmu_update_test, machphys_takes_any_value_for_an_owned_frame) {
  const u64 address = mfn_to_maddr(t.data).bytes | MMU_MACHPHYS_UPDATE;
  EXPECT_EQ(d0.updates({{address, 0x123456789abc}}), 0);
  EXPECT_EQ(m.gpfn_from_mfn(t.data), 0x123456789abcu);
  EXPECT_EQ(d0.updates({{mfn_to_maddr(u.data).bytes | MMU_MACHPHYS_UPDATE, 1}}), EINVAL_);
}

// MACHPHYS belongs to the caller's tables: with another's it is -EPERM.
TEST_F(mmu_update_test, machphys_with_foreign_tables_is_eperm) {
  EXPECT_EQ(d0.updates({{mfn_to_maddr(u.data).bytes | MMU_MACHPHYS_UPDATE, 1}}, foreign(d1.d.domid, d1.d.domid)),
            EPERM_);
}

// dom0 maps another domain's page into its own table; the reference is one like any other.
TEST_F(mmu_update_test, dom0_maps_a_foreign_page) {
  EXPECT_EQ(d0.update(t.l1, 1, make_pte(u.data, rw_flags), MMU_NORMAL_PT_UPDATE, d1.d.domid), 0);
  EXPECT_EQ(d1.state(u.data), "3 writable|validated|2");
  EXPECT_EQ(d0.update(t.l1, 1, 0), 0) << "unmapping needs no foreigndom";
  EXPECT_EQ(d1.state(u.data), "2 writable|validated|1");
}

// dom0 changes another domain's table with that domain's pages.
TEST_F(mmu_update_test, dom0_changes_a_foreign_table) {
  EXPECT_EQ(d0.update(u.l1, 1, make_pte(u.data, ro_flags), MMU_NORMAL_PT_UPDATE, foreign(d1.d.domid, d1.d.domid)), 0);
  EXPECT_EQ(d1.word(u.l1, 1), make_pte(u.data, ro_flags));
}

// For L2 and above the page's owner must be the table's: -EINVAL.
TEST_F(mmu_update_test, upper_levels_need_one_owner) {
  EXPECT_EQ(d0.update(t.l2, 1, make_pte(u.l1, table_flags), MMU_NORMAL_PT_UPDATE, d1.d.domid), EINVAL_);
  EXPECT_EQ(d0.update(t.l2, 1, 0, MMU_NORMAL_PT_UPDATE, d1.d.domid), EINVAL_);
}

// A domU may not name another: -EPERM, at the first entry that is looked at.
TEST_F(mmu_update_test, a_domU_may_not_name_another) {
  EXPECT_EQ(d1.update(u.l1, 1, make_pte(t.data, ro_flags), MMU_NORMAL_PT_UPDATE, d0.d.domid), EPERM_);
  EXPECT_EQ(d1.update(t.l1, 1, 0, MMU_NORMAL_PT_UPDATE, foreign(DOMID_SELF, d0.d.domid)), EPERM_);
  EXPECT_EQ(d1.updates({}, d0.d.domid), 0) << "nothing is looked at";
}

// One's own number is no foreign domain: -ESRCH (page_alloc.c:2665), and `done` is written as 0.
TEST_F(mmu_update_test, its_own_domid_is_esrch) {
  EXPECT_EQ(d0.update(t.l1, 1, 0, MMU_NORMAL_PT_UPDATE, d0.d.domid), ESRCH_);
  EXPECT_EQ(d0.done, 0u);
}

// An unknown owner of pages is -ESRCH and writes `done`; an unknown owner of tables does not write it.
TEST_F(mmu_update_test, unknown_domains_are_esrch) {
  EXPECT_EQ(d0.update(t.l1, 1, 0, MMU_NORMAL_PT_UPDATE, 77), ESRCH_);
  EXPECT_EQ(d0.done, 0u);
  EXPECT_EQ(d0.update(t.l1, 1, 0, MMU_NORMAL_PT_UPDATE, foreign(DOMID_SELF, 77)), ESRCH_);
  EXPECT_EQ(d0.done, std::nullopt);
}

// An owner of tables without a vCPU is -EINVAL, and `done` is written.
TEST_F(mmu_update_test, a_table_owner_without_a_vcpu_is_einval) {
  guest empty(m, domain_kind::domU, 0);
  EXPECT_EQ(d0.update(t.l1, 1, 0, MMU_NORMAL_PT_UPDATE, foreign(DOMID_SELF, empty.d.domid)), EINVAL_);
  EXPECT_EQ(d0.done, 0u);
}

// Entries beyond the readable memory are -EFAULT there: what came before is done.
TEST_F(mmu_update_test, unreadable_entries_are_efault) {
  const std::array list = {entry_update(t.l1, 1, make_pte(t.data, ro_flags))};
  hypercall call = mmu_update_call{{list, false}, 3, {done_arg::state::writable}};
  EXPECT_EQ(do_hypercall(m, d0.cpu(), call), EFAULT_);
  EXPECT_EQ(std::get<mmu_update_call>(call).pdone.value, 1u);
  EXPECT_EQ(d0.word(t.l1, 1), make_pte(t.data, ro_flags));
}

// `done` that cannot be written, or is absent, changes nothing else.
TEST_F(mmu_update_test, done_may_be_absent_or_unwritable) {
  const std::array list = {entry_update(t.l1, 1, make_pte(t.data, ro_flags))};
  for (const auto where : {done_arg::state::absent, done_arg::state::unwritable}) {
    hypercall call = mmu_update_call{{list, false}, 1, {where}};
    EXPECT_EQ(do_hypercall(m, d0.cpu(), call), 0);
    EXPECT_FALSE(std::get<mmu_update_call>(call).pdone.written);
  }
}

// The end of a continuation: bit 31 alone with a NULL list returns foreigndom as it is, to any guest that asks so.
TEST_F(mmu_update_test, preempted_with_a_null_list_returns_foreigndom) {
  for (const u32 value : {0u, 77u, static_cast<u32>(-16)}) {
    hypercall call = mmu_update_call{{{}, true}, MMU_UPDATE_PREEMPTED, {done_arg::state::writable}, value};
    EXPECT_EQ(do_hypercall(m, d0.cpu(), call), static_cast<int>(value));
    EXPECT_FALSE(std::get<mmu_update_call>(call).pdone.written);
  }
}

// Bit 31 with a list goes on counting from what lies in `done`, and is not counted as a call.
TEST_F(mmu_update_test, preempted_with_a_list_goes_on_counting) {
  const std::array list = {entry_update(t.l1, 1, make_pte(t.data, ro_flags))};
  const u64 calls = m.perfc.calls_to_mmu_update;
  hypercall call = mmu_update_call{{list, false}, 1 | MMU_UPDATE_PREEMPTED, {done_arg::state::writable, 41}};
  EXPECT_EQ(do_hypercall(m, d0.cpu(), call), 0);
  EXPECT_EQ(std::get<mmu_update_call>(call).pdone.value, 42u);
  EXPECT_EQ(m.perfc.calls_to_mmu_update, calls);
}

// Replacing or clearing an entry that held a table ends the piece with a continuation, on any machine; the piece that
// follows carries the rest, bit 31 set [observed, 51 of 51].
TEST_F(mmu_update_test, dropping_a_table_ends_the_piece) {
  const std::array list = {entry_update(t.l2, 0, 0), entry_update(t.l2, 1, 0), entry_update(t.l2, 2, 0)};
  hypercall call = mmu_update_call{{list, false}, 3, {done_arg::state::writable}};
  EXPECT_EQ(do_hypercall_piece(m, d0.cpu(), call), HYPERVISOR_mmu_update);
  EXPECT_TRUE(d0.cpu().hcall_preempted);
  EXPECT_EQ(std::get<mmu_update_call>(call).count, 2 | MMU_UPDATE_PREEMPTED);
  EXPECT_EQ(std::get<mmu_update_call>(call).pdone.value, 1u);
  EXPECT_EQ(d0.state(t.l1), "2 l1|validated|1") << "not dropped yet";
  EXPECT_EQ(describe(audit(m)), "") << "between the pieces";
  EXPECT_EQ(do_hypercall_piece(m, d0.cpu(), call), 0);
  EXPECT_FALSE(d0.cpu().hcall_preempted);
  EXPECT_EQ(std::get<mmu_update_call>(call).pdone.value, 3u);
  EXPECT_EQ(d0.state(t.l1), "1 l1|0");
}

// Where it was the last entry, the continuation has a NULL list, and the result travels in foreigndom.
TEST_F(mmu_update_test, dropping_a_table_last_leaves_an_empty_continuation) {
  for (const mfn_t table : {t.l2, t.l3, t.l4}) {
    const std::array list = {entry_update(table, 0, 0)};
    hypercall call = mmu_update_call{{list, false}, 1, {done_arg::state::writable}};
    EXPECT_EQ(do_hypercall_piece(m, d0.cpu(), call), HYPERVISOR_mmu_update);
    const auto& rest = std::get<mmu_update_call>(call);
    EXPECT_EQ(rest.count, MMU_UPDATE_PREEMPTED);
    EXPECT_TRUE(rest.ureqs.null);
    EXPECT_EQ(rest.foreigndom, 0u);
    EXPECT_EQ(do_hypercall_piece(m, d0.cpu(), call), 0);
  }
}

// A change above L1 flushes the table owner's vCPUs once a piece, however many entries; L1 changes flush nothing.
TEST_F(mmu_update_test, upper_changes_flush_once_a_piece) {
  ASSERT_EQ(d0.baseptr(t.l4, 1), 0);
  const mfn_t l1 = d0.frame();
  witness seen(m);
  EXPECT_EQ(d0.updates({entry_update(t.l2, 4, make_pte(l1, table_flags)), entry_update(t.l2, 5, 0),
                        entry_update(t.l2, 6, make_pte(l1, table_flags))}),
            0);
  EXPECT_EQ(seen.count(flush_reason::table_write), 1u);
  EXPECT_THAT(seen.masks(flush_reason::table_write), testing::ElementsAre(3u));
  EXPECT_EQ(d0.update(t.l1, 4, make_pte(t.data, ro_flags)), 0);
  EXPECT_EQ(seen.count(flush_reason::table_write), 1u);
}

// Xen's own counters: a call, and its entries that succeeded.
TEST_F(mmu_update_test, counts_calls_and_updates) {
  const counters before = m.perfc;
  EXPECT_EQ(d0.updates({entry_update(t.l1, 1, 0), entry_update(t.l1, 2, 0), entry_update(t.l2, 1, 0)}), 0);
  EXPECT_EQ(m.perfc.calls_to_mmu_update - before.calls_to_mmu_update, 1u);
  EXPECT_EQ(m.perfc.num_page_updates - before.num_page_updates, 3u);
}

}  // namespace
}  // namespace pvmmu::xen
