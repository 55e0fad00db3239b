// The judge of transitions must be able to say no: each thing that it forbids, done by hand within a call, is found;
// and what calls do is not.

#include "hypervisor-model/audit_transitions.h"

#include <set>

#include "tests/hypervisor-model/guest_fixture.h"

namespace pvmmu::xen {
namespace {

class audit_transitions_test : public hypervisor_test {
 protected:
  /// A call of this number that changes what `change` does and gives `result`.
  template <class Change>
  std::set<std::string> broken_by(u64 number, s64 result, Change change) {
    transition_audit watching{m};
    m.notify(event_kind::call_begin, 0, {}, 0, number);
    change();
    m.notify(event_kind::call_end, 0, {}, 0, static_cast<u64>(result));
    return names(watching);
  }
  static std::set<std::string> names(const transition_audit& watching) {
    std::set<std::string> all;
    for (const audit_finding& f : watching.findings()) all.insert(f.invariant);
    return all;
  }

  tree t = d0.boot();
  using set = std::set<std::string>;
};

// I13: a count, a type in use, an entry or a root that a failed call leaves changed; the same is fine if it succeeds.
TEST_F(audit_transitions_test, failed_calls) {
  page_info& pg = d0.info(t.data);
  const auto count = [&] { m.set_count_info(pg, pg.count_info + 1); };
  EXPECT_EQ(broken_by(HYPERVISOR_mmu_update, EINVAL_, count), set{"I13"});
  EXPECT_EQ(broken_by(HYPERVISOR_mmu_update, 0, count), set{});
  EXPECT_EQ(broken_by(HYPERVISOR_mmu_update, EFAULT_, count), set{}) << "the entries before have succeeded";
  pg.count_info -= 3;
  const auto type = [&](s64 by) {
    return [&pg, this, by] { m.set_type_info(pg, pg.type_info + static_cast<u64>(by)); };
  };
  EXPECT_EQ(broken_by(HYPERVISOR_mmu_update, EINVAL_, type(1)), set{"I13"});
  EXPECT_EQ(broken_by(HYPERVISOR_mmu_update, EINVAL_, type(-1)), set{"I13"});
  const pte_t entry = d0.word(t.l1, 0);
  EXPECT_EQ(broken_by(HYPERVISOR_mmu_update, EINVAL_, [&] { m.write_pte(t.l1, 0, entry & ~PAGE_RW); }), set{"I13"});
  EXPECT_EQ(broken_by(HYPERVISOR_mmu_update, EINVAL_, [&] { m.write_pte(t.l1, 0, entry); }), set{"I13"});
  EXPECT_EQ(broken_by(HYPERVISOR_mmuext_op, EINVAL_, [&] { m.notify(event_kind::cr3, 0, t.l4, 0, t.l4.n); }),
            set{"I13"});
}

// I13: what a failed call may leave: a type that nobody holds, bits that Xen adds, what it has put back.
TEST_F(audit_transitions_test, residue_of_failed_calls) {
  const mfn_t fresh = d0.frame();
  page_info& pg = d0.info(fresh);
  const auto to = [&](u64 type) { return [&pg, this, type] { m.set_type_info(pg, type); }; };
  EXPECT_EQ(broken_by(HYPERVISOR_mmuext_op, EINVAL_, to(PGT_l2_page_table)), set{});
  EXPECT_EQ(broken_by(HYPERVISOR_mmuext_op, EINVAL_, to(PGT_writable_page | PGT_validated)), set{});
  EXPECT_EQ(broken_by(HYPERVISOR_mmuext_op, EINVAL_, to(pg.type_info | PGT_non_coherent)), set{});
  EXPECT_EQ(broken_by(HYPERVISOR_mmuext_op, EINVAL_, to(PGT_l2_page_table | PGT_validated)), set{"I13"});
  EXPECT_EQ(broken_by(HYPERVISOR_mmuext_op, EINVAL_, [&] { m.write_pte(fresh, 7, PAGE_USER); }), set{});
  EXPECT_EQ(broken_by(HYPERVISOR_mmuext_op, EINVAL_, [&] { m.write_pte(fresh, 7, 0); }), set{"I13"});
  EXPECT_EQ(broken_by(HYPERVISOR_mmuext_op, EINVAL_,
                      [&] {
                        m.set_count_info(pg, pg.count_info + 1);
                        m.set_count_info(pg, pg.count_info - 1);
                      }),
            set{});
  m.set_type_info(pg, 0);
}

// I5: a pin that anything but mmuext_op sets or clears.
TEST_F(audit_transitions_test, pins) {
  page_info& pg = d0.info(t.l1);
  const auto toggle = [&] { m.set_type_info(pg, pg.type_info ^ PGT_pinned); };
  EXPECT_EQ(broken_by(HYPERVISOR_mmu_update, 0, toggle), set{"I5"});
  EXPECT_EQ(broken_by(HYPERVISOR_mmuext_op, 0, toggle), set{});
}

// I8: a frame that a processor could write to becomes a table, and nobody flushes; in the real order it is flushed.
TEST_F(audit_transitions_test, stale_translations) {
  const mfn_t mfn = d0.frame();
  page_info& pg = d0.info(mfn);
  ASSERT_EQ(d0.update(t.l1, 9, make_pte(mfn, rw_flags)), 0);
  transition_audit watching{m};
  ASSERT_EQ(d0.update(t.l1, 10, 0), 0) << "a look at the tables while it is mapped";
  ASSERT_EQ(d0.update(t.l1, 9, 0), 0);
  EXPECT_EQ(names(watching), set{}) << "unmapped, it is no table yet";
  const u64 type = pg.type_info;
  pg.type_info = PGT_l1_page_table | PGT_validated | 1;
  m.notify(event_kind::call_begin, 0, {}, 0, HYPERVISOR_mmuext_op);
  m.notify(event_kind::call_end, 0, {}, 0, 0);
  EXPECT_EQ(names(watching), set{"I8"});
  pg.type_info = type;
}

// The same by calls: Xen flushes, because the frame changes its type.
TEST_F(audit_transitions_test, pinning_what_was_writable) {
  const mfn_t mfn = d0.frame();
  transition_audit watching{m};
  ASSERT_EQ(d0.update(t.l1, 9, make_pte(mfn, rw_flags)), 0);
  ASSERT_EQ(d0.update(t.l1, 9, 0), 0);
  ASSERT_EQ(d0.pin(1, mfn), 0);
  EXPECT_EQ(d0.pin(1, t.data), EINVAL_);
  EXPECT_EQ(names(watching), set{});
}

}  // namespace
}  // namespace pvmmu::xen
