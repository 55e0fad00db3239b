// update_va_mapping: the entry found by address, and the flushes asked for with it (xen 4.17 mm.c:4463).

#include "tests/hypervisor-model/guest_fixture.h"

namespace pvmmu::xen {
namespace {

class update_va_mapping_test : public hypervisor_test {
 protected:
  tree t = d0.boot();
  tree u = d1.boot();
  u64 entry = make_pte(t.data, ro_flags);
};

// The address picks the L1 entry through the tables that the vCPU runs on.
TEST_F(update_va_mapping_test, changes_the_entry_of_the_address) {
  EXPECT_EQ(d0.va_mapping(5 * PAGE_SIZE + 123, entry), 0);
  EXPECT_EQ(d0.word(t.l1, 5), entry);
  EXPECT_EQ(d0.state(t.data), "3 writable|validated|1");
}

// An address that no table leads to, or that no guest may name, is -EINVAL.
TEST_F(update_va_mapping_test, bad_addresses_are_einval) {
  EXPECT_EQ(d0.va_mapping(entry_span(2), entry), EINVAL_) << "no L1";
  EXPECT_EQ(d0.va_mapping(entry_span(3), entry), EINVAL_) << "no L2";
  EXPECT_EQ(d0.va_mapping(entry_span(4), entry), EINVAL_) << "no L3";
  EXPECT_EQ(d0.va_mapping(u64{1} << 47, entry), EINVAL_) << "not canonical";
  EXPECT_EQ(d0.va_mapping(0xffff800000000000, entry), EINVAL_) << "Xen's";
}

// The entry's errno is the call's.
TEST_F(update_va_mapping_test, an_entrys_errno_comes_back) {
  EXPECT_EQ(d0.va_mapping(PAGE_SIZE, make_pte(t.l1, rw_flags)), EBUSY_);
  EXPECT_EQ(d0.va_mapping(PAGE_SIZE, make_pte({m.config().frames}, ro_flags) | PAGE_PWT),
            d0.update(t.l1, 1, make_pte({m.config().frames}, ro_flags) | PAGE_PWT));
  EXPECT_EQ(d1.va_mapping(PAGE_SIZE, make_pte(t.data, ro_flags)), EBUSY_);
}

// Where the entry found is a linear one, what it leads to is no L1: -EINVAL.
TEST_F(update_va_mapping_test, an_address_of_the_linear_map_is_einval) {
  ASSERT_EQ(d0.update(t.l2, 3, make_pte(t.l2, linear_flags)), 0);
  EXPECT_EQ(d0.va_mapping(3 * entry_span(2), entry), EINVAL_);
}

// The flags: kind in bits 1:0, scope above: local, a set, all.
TEST_F(update_va_mapping_test, flushes_as_asked) {
  ASSERT_EQ(d0.baseptr(t.l4, 1), 0);
  witness seen(m);
  EXPECT_EQ(d0.va_mapping(PAGE_SIZE, entry, UVMF_NONE), 0);
  EXPECT_EQ(d0.va_mapping(PAGE_SIZE, entry, 3), 0);
  EXPECT_EQ(seen.count(event_kind::flush), 0u);
  for (const u64 kind : {UVMF_TLB_FLUSH, UVMF_INVLPG}) {
    EXPECT_EQ(d0.va_mapping(PAGE_SIZE, entry, kind), 0);
    EXPECT_EQ(d0.va_mapping(PAGE_SIZE, entry, kind | UVMF_ALL), 0);
    EXPECT_EQ(d0.va_mapping(PAGE_SIZE, entry, kind | 0x8000, 2u), 0);
  }
  EXPECT_THAT(seen.masks(flush_reason::guest), testing::ElementsAre(1u, 3u, 2u, 1u, 3u, 2u));
}

// A set that cannot be read is -EFAULT, after the entry has changed.
TEST_F(update_va_mapping_test, an_unreadable_set_is_efault_after_the_change) {
  EXPECT_EQ(d0.va_mapping(PAGE_SIZE, entry, UVMF_TLB_FLUSH | 0x8000, std::nullopt), EFAULT_);
  EXPECT_EQ(d0.word(t.l1, 1), entry);
}

// A failed change flushes nothing.
TEST_F(update_va_mapping_test, a_failure_does_not_flush) {
  witness seen(m);
  EXPECT_EQ(d0.va_mapping(PAGE_SIZE, make_pte(t.l1, rw_flags), UVMF_TLB_FLUSH | UVMF_ALL), EBUSY_);
  EXPECT_EQ(seen.count(event_kind::flush), 0u);
}

// _otherdomain maps another domain's page into one's own tables; its own or an unknown domid is -ESRCH.
TEST_F(update_va_mapping_test, otherdomain) {
  const update_va_mapping_call update{.va = PAGE_SIZE, .val = make_pte(u.data, ro_flags), .flags = 0, .vcpumask = {}};
  EXPECT_EQ(d0.call(update_va_mapping_otherdomain_call{update, d0.d.domid}), ESRCH_);
  EXPECT_EQ(d0.call(update_va_mapping_otherdomain_call{update, 77}), ESRCH_);
  EXPECT_EQ(d0.call(update_va_mapping_otherdomain_call{update, d1.d.domid}), 0);
  EXPECT_EQ(d1.state(u.data), "3 writable|validated|1");
  const update_va_mapping_call back{.va = PAGE_SIZE, .val = make_pte(t.data, ro_flags), .flags = 0, .vcpumask = {}};
  EXPECT_EQ(d1.call(update_va_mapping_otherdomain_call{back, d0.d.domid}), EPERM_) << "a domU may not";
}

}  // namespace
}  // namespace pvmmu::xen
