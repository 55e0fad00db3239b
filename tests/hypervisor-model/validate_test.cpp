// Promotion of tables: masks, adjustments, ownership, and what a failure leaves behind.

#include "tests/hypervisor-model/guest_fixture.h"

namespace pvmmu::xen {
namespace {

using validate_test = hypervisor_test;

struct mask_case {
  unsigned level;
  u64 flag;
  bool allowed;
};

class entry_mask_test : public hypervisor_test, public testing::WithParamInterface<mask_case> {};

// The flags that a present entry may not have, per level (facts: L1 0x98, L2-L4 0x198; NX and the rest are free).
TEST_P(entry_mask_test, at_promotion_and_at_update) {
  const auto [level, flag, allowed] = GetParam();
  const tree t = d1.build_tree();
  const mfn_t table = std::array{mfn_t{}, t.l1, t.l2, t.l3, t.l4}[level];
  const u64 entry = d1.word(table, 0);
  d1.word(table, 0) = entry | flag;
  EXPECT_EQ(d1.pin(level, table), allowed ? 0 : EINVAL_);
  d1.word(table, 0) = allowed ? d1.word(table, 0) : entry;
  if (!allowed) {
    EXPECT_EQ(d1.pin(level, table), 0);
  }
  EXPECT_EQ(d1.update(table, 0, entry | flag), allowed ? 0 : EINVAL_);
}

INSTANTIATE_TEST_SUITE_P(
    all_levels, entry_mask_test,
    testing::Values(mask_case{1, PAGE_PWT, false}, mask_case{1, PAGE_PCD, false}, mask_case{1, PAGE_PAT, false},
                    mask_case{1, PAGE_GLOBAL, true}, mask_case{1, PAGE_NX, true}, mask_case{1, PAGE_AVAIL, true},
                    mask_case{1, PAGE_GNTTAB, true}, mask_case{2, PAGE_PWT, false}, mask_case{2, PAGE_PCD, false},
                    mask_case{2, PAGE_PSE, false}, mask_case{2, PAGE_GLOBAL, false}, mask_case{2, PAGE_NX, true},
                    mask_case{2, PAGE_AVAIL, true}, mask_case{3, PAGE_PWT, false}, mask_case{3, PAGE_PCD, false},
                    mask_case{3, PAGE_PSE, false}, mask_case{3, PAGE_GLOBAL, false}, mask_case{3, PAGE_NX, true},
                    mask_case{4, PAGE_PWT, false}, mask_case{4, PAGE_PCD, false}, mask_case{4, PAGE_PSE, false},
                    mask_case{4, PAGE_GLOBAL, false}, mask_case{4, PAGE_NX, true}, mask_case{4, PAGE_DIRTY, true}));

struct adjust_case {
  unsigned level;
  u64 given;
  u64 stored;
};

class adjust_test : public hypervisor_test, public testing::WithParamInterface<adjust_case> {};

// What Xen adds to a 64-bit guest's present entries (facts section 1): an L1 entry of the guest's kernel (U clear, or
// bit 52) gets bit 52 and U, a user's G and U; L2 and L3 get U; L4 gets A and U.
TEST_P(adjust_test, at_promotion_and_at_update) {
  const auto [level, given, stored] = GetParam();
  const tree t = d1.build_tree();
  const mfn_t table = std::array{mfn_t{}, t.l1, t.l2, t.l3, t.l4}[level];
  const mfn_t target = pte_mfn(d1.word(table, 0));
  d1.word(table, 0) = make_pte(target, given);
  ASSERT_EQ(d1.pin(level, table), 0);
  EXPECT_EQ(d1.word(table, 0), make_pte(target, stored));
  ASSERT_EQ(d1.update(table, 0, make_pte(target, given)), 0) << "fast path";
  EXPECT_EQ(d1.word(table, 0), make_pte(target, stored));
  ASSERT_EQ(d1.update(table, 1, make_pte(target, given)), 0) << "a new entry";
  EXPECT_EQ(d1.word(table, 1), make_pte(target, stored));
}

constexpr u64 prw = PAGE_PRESENT | PAGE_RW;
INSTANTIATE_TEST_SUITE_P(
    all_levels, adjust_test,
    testing::Values(adjust_case{1, prw, prw | PAGE_USER | PAGE_GUEST_KERNEL},
                    adjust_case{1, prw | PAGE_USER, prw | PAGE_USER | PAGE_GLOBAL},
                    adjust_case{1, prw | PAGE_USER | PAGE_GUEST_KERNEL, prw | PAGE_USER | PAGE_GUEST_KERNEL},
                    adjust_case{1, prw | PAGE_GUEST_KERNEL, prw | PAGE_USER | PAGE_GUEST_KERNEL},
                    adjust_case{1, prw | PAGE_GLOBAL, prw | PAGE_USER | PAGE_GUEST_KERNEL | PAGE_GLOBAL},
                    adjust_case{2, prw, prw | PAGE_USER}, adjust_case{3, prw, prw | PAGE_USER},
                    adjust_case{4, prw, prw | PAGE_USER | PAGE_ACCESSED}));

// Entries that are not present are taken as they are, whatever else they hold (dom0: the L1TF check is off).
TEST_F(validate_test, entries_not_present_are_free) {
  const mfn_t table = d0.frame();
  d0.word(table, 0) = 0x123456789abcd098;
  EXPECT_EQ(d0.pin(1, table), 0);
  EXPECT_EQ(d0.word(table, 0), 0x123456789abcd098u);
}

// A failure in slot 0, as any failure in an L1, leaves no type at all (facts: type_info = 0).
TEST_F(validate_test, a_failure_in_slot_0_leaves_type_info_0) {
  for (const unsigned level : {2u, 3u, 4u}) {
    const mfn_t table = d0.frame();
    d0.word(table, 0) = make_pte(d1.frame(), table_flags);
    EXPECT_EQ(d0.pin(level, table), EINVAL_);
    EXPECT_EQ(d0.info(table).type_info, 0u);
  }
  const mfn_t l1 = d0.frame();
  d0.word(l1, 7) = make_pte(d0.frame(), rw_flags);
  d0.word(l1, 9) = make_pte(d1.frame(), ro_flags);
  EXPECT_EQ(d0.pin(1, l1), EBUSY_);
  EXPECT_EQ(d0.info(l1).type_info, 0u) << "an L1, whatever the slot";
}

// A failure in a later slot of L2-L4 leaves the type with count 0 (facts: the residue), and no reference.
TEST_F(validate_test, a_failure_in_a_later_slot_leaves_the_type_with_count_0) {
  const tree t = d0.build_tree();
  const mfn_t bad = d1.frame();
  const std::array tables = {mfn_t{}, mfn_t{}, t.l2, t.l3, t.l4};
  for (const unsigned level : {2u, 3u, 4u}) {
    d0.word(tables[level], 5) = make_pte(bad, table_flags);
    EXPECT_EQ(d0.pin(level, tables[level]), EINVAL_);
    EXPECT_EQ(d0.state(tables[level]), fmt::format("1 l{}|0", level));
    EXPECT_EQ(d0.state(pte_mfn(d0.word(tables[level], 0))), fmt::format("1 l{}|0", level - 1));
    d0.word(tables[level], 5) = 0;
  }
}

// Adjustments of the slots before the failing one stay in the guest's memory (facts).
TEST_F(validate_test, adjusted_entries_stay_adjusted_after_a_failure) {
  const tree t = d0.build_tree();
  d0.word(t.l1, 0) = make_pte(t.data, PAGE_PRESENT);
  d0.word(t.l1, 1) = make_pte(d1.frame(), PAGE_PRESENT);
  EXPECT_EQ(d0.pin(1, t.l1), EBUSY_);
  EXPECT_EQ(d0.word(t.l1, 0), make_pte(t.data, PAGE_PRESENT | PAGE_USER | PAGE_GUEST_KERNEL));
  EXPECT_EQ(d0.word(t.l1, 1) & PAGE_USER, 0u);
}

// An L1 entry's errno travels unchanged through every level: -EBUSY for an L1 that maps a page table writable, by
// PIN_L1, PIN_L2, PIN_L4 and the mmu_update of the entry above [observed].
TEST_F(validate_test, the_errno_of_an_l1_entry_travels_up) {
  const tree t = d0.boot();
  const mfn_t l1 = d0.frame();
  const mfn_t l2 = d0.frame();
  const mfn_t l3 = d0.frame();
  const mfn_t l4 = d0.frame();
  d0.word(l1, 3) = make_pte(t.l4, rw_flags);
  d0.word(l2, 0) = make_pte(l1, table_flags);
  d0.word(l3, 0) = make_pte(l2, table_flags);
  d0.word(l4, 0) = make_pte(l3, table_flags);
  EXPECT_EQ(d0.pin(1, l1), EBUSY_);
  EXPECT_EQ(d0.pin(2, l2), EBUSY_);
  EXPECT_EQ(d0.pin(3, l3), EBUSY_);
  EXPECT_EQ(d0.pin(4, l4), EBUSY_);
  EXPECT_EQ(d0.baseptr(l4), EBUSY_);
  EXPECT_EQ(d0.user_baseptr(l4), EBUSY_);
  EXPECT_EQ(d0.update(t.l2, 1, make_pte(l1, table_flags)), EBUSY_);
  EXPECT_EQ(d0.update(t.l3, 1, make_pte(l2, table_flags)), EBUSY_);
  EXPECT_EQ(d0.update(t.l4, 1, make_pte(l3, table_flags)), EBUSY_);
}

// What L2 and above refuse by themselves is -EINVAL: a foreign frame, a frame beyond memory, a wrong level.
TEST_F(validate_test, upper_levels_refuse_with_einval) {
  const tree t = d0.boot();
  EXPECT_EQ(d0.update(t.l2, 1, make_pte(d1.frame(), table_flags)), EINVAL_);
  EXPECT_EQ(d0.update(t.l2, 1, make_pte({m.config().frames}, table_flags)), EINVAL_);
  EXPECT_EQ(d0.update(t.l2, 1, make_pte({~u64{0} >> 24}, table_flags)), EINVAL_);
  EXPECT_EQ(d0.update(t.l3, 1, make_pte(t.l1, table_flags)), EINVAL_) << "an L1 where an L2 belongs";
  EXPECT_EQ(d0.update(t.l2, 1, make_pte(t.l3, linear_flags)), EINVAL_) << "an L3 where an L1 belongs";
}

// MMIO without rights is -EPERM, an entry with no frame at all -EINVAL (mm.c:893-905).
TEST_F(validate_test, mmio_needs_rights) {
  const tree t = d1.boot();
  EXPECT_EQ(d1.update(t.l1, 1, make_pte({m.config().frames + 5}, ro_flags)), EPERM_);
  EXPECT_EQ(d1.update(t.l1, 1, make_pte({PTE_ADDR_MASK >> PAGE_SHIFT}, ro_flags)), EINVAL_);
}

// With rights, MMIO is mapped without any reference, and a write-back entry becomes uncached (mm.c:942).
TEST_F(validate_test, permitted_mmio_takes_no_reference_and_is_uncached) {
  const tree t = d1.boot();
  const mfn_t device{m.config().frames + 5};
  d1.d.iomem_caps.push_back({device, device});
  EXPECT_EQ(d1.update(t.l1, 1, make_pte(device, rw_flags)), 0);
  EXPECT_EQ(d1.word(t.l1, 1), make_pte(device, rw_flags | PAGE_PWT | PAGE_PCD));
  EXPECT_EQ(d1.update(t.l1, 1, 0), 0);
}

// A domain that may map devices may also choose the cache attributes of its memory (facts: mask 0x98 unless …).
TEST_F(validate_test, device_domains_may_choose_cache_attributes) {
  const tree t = d1.boot();
  EXPECT_EQ(d1.update(t.l1, 1, make_pte(t.data, rw_flags | PAGE_PCD)), EINVAL_);
  d1.d.iomem_caps.push_back({{0xfee00}, {0xfee00}});
  EXPECT_EQ(d1.update(t.l1, 1, make_pte(t.data, rw_flags | PAGE_PCD)), 0);
}

// The GNTTAB bit is refused in debug builds only (facts section 1).
TEST_F(debug_hypervisor_test, the_gnttab_bit_is_refused) {
  const tree t = d1.boot();
  EXPECT_EQ(d1.update(t.l1, 1, make_pte(t.data, rw_flags | PAGE_GNTTAB)), EINVAL_);
}

// The guest never owns L4 slots 256-271: Xen fills them, and updates are refused (mm.c:2387).
TEST_F(validate_test, xens_slots_are_filled_and_refused) {
  const tree t = d0.build_tree();
  d0.word(t.l4, 256) = make_pte(t.l1, table_flags);
  d0.word(t.l4, 271) = 0xdeadbeefdeadb001;
  ASSERT_EQ(d0.pin(4, t.l4), 0);
  EXPECT_EQ(pte_mfn(d0.word(t.l4, 258)), t.l4) << "the linear slot";
  EXPECT_NE(pte_mfn(d0.word(t.l4, 256)), t.l1);
  EXPECT_NE(d0.word(t.l4, 271), 0xdeadbeefdeadb001u);
  for (const unsigned slot : {256u, 258u, 271u}) {
    EXPECT_EQ(d0.update(t.l4, slot, make_pte(t.l3, table_flags)), EINVAL_) << slot;
    EXPECT_EQ(d0.update(t.l4, slot, 0), EINVAL_) << slot;
  }
  for (const unsigned slot : {255u, 272u, 511u}) {
    EXPECT_EQ(d0.update(t.l4, slot, make_pte(t.l3, table_flags)), 0) << slot;
  }
  EXPECT_EQ(d0.state(t.l3), "5 l3|validated|4");
}

// Each table that a failing promotion had taken is dropped again: nothing keeps a count (facts, I13).
TEST_F(validate_test, a_failing_pin_restores_every_count) {
  const tree good = d0.build_tree();
  const tree bad = d0.build_tree();
  d0.word(good.l4, 1) = make_pte(bad.l3, table_flags);
  d0.word(bad.l1, 8) = make_pte(d1.frame(), ro_flags);
  EXPECT_EQ(d0.pin(4, good.l4), EBUSY_);
  for (const mfn_t mfn : {good.l4, good.l3, good.l2, good.l1, good.data, bad.l3, bad.l2, bad.l1, bad.data}) {
    EXPECT_EQ(d0.info(mfn).ref_count(), 1u) << mfn.n;
    EXPECT_EQ(d0.info(mfn).type_count(), 0u) << mfn.n;
  }
}

// A debug build says which slot failed, and with which frame (mm.c:1303 ff.).
TEST_F(debug_hypervisor_test, messages_of_a_failing_promotion) {
  const tree t = d0.build_tree();
  d0.word(t.l1, 9) = make_pte(d1.frame(), ro_flags);
  witness seen(m);
  EXPECT_EQ(d0.pin(1, t.l1), EBUSY_);
  using testing::HasSubstr;
  EXPECT_THAT(seen.messages, testing::Contains(HasSubstr("Failure -16 in promote_l1_table: slot 0x9")));
  EXPECT_THAT(seen.messages, testing::Contains(HasSubstr("Error -16 while pinning mfn")));
  EXPECT_THAT(seen.messages, testing::Contains(HasSubstr("pg_owner d0 l1e_owner d0, but real_pg_owner d1")));
}

// A release build prints none of gdprintk's messages.
TEST_F(validate_test, a_release_build_is_silent_about_it) {
  const tree t = d0.build_tree();
  d0.word(t.l1, 9) = make_pte(d1.frame(), ro_flags);
  witness seen(m);
  EXPECT_EQ(d0.pin(1, t.l1), EBUSY_);
  EXPECT_THAT(seen.messages, testing::IsEmpty());
}

}  // namespace
}  // namespace pvmmu::xen
