// Answers that the real Xen 4.17.7 gave under QEMU, to programs of the probe, and that the sources had been misread
// for.

#include <utility>

#include "tests/hypervisor-model/guest_fixture.h"

namespace pvmmu::xen {
namespace {

using enum access_kind;

class observed_test : public hypervisor_test {
 protected:
  observed_test() {
    d0.word(t.l1, 0) = make_pte(t.data, rw_flags);
    d0.word(t.l1, 1) = make_pte(t.l1, ro_flags);
    EXPECT_EQ(d0.baseptr(t.l4), 0);
  }

  static constexpr u64 l1_va = PAGE_SIZE;
  u64& mapping_of_l1() { return d0.word(t.l1, 1); }

  tree t = d0.build_tree();
};

// Validation leaves the slot of the machine-to-phys table empty; the base pointer fills it (mm.c:1829, 3356).
TEST_F(observed_test, slot_256_is_filled_by_the_base_pointer) {
  const tree other = d0.build_tree();
  ASSERT_EQ(d0.pin(4, other.l4), 0);
  EXPECT_EQ(d0.word(other.l4, 256), 0u);
  EXPECT_NE(d0.word(t.l4, 256), 0u);
}

// Under m2p_strict it is the other way round: validation fills it, and a user table gives it up (mm.c:1829, 3719).
TEST_F(observed_test, slot_256_under_m2p_strict) {
  ASSERT_EQ(d0.call(vm_assist_call{.cmd = VMASST_CMD_enable, .type = VMASST_TYPE_m2p_strict}), 0);
  const tree other = d0.build_tree();
  ASSERT_EQ(d0.pin(4, other.l4), 0);
  EXPECT_NE(d0.word(other.l4, 256), 0u);
  ASSERT_EQ(d0.ext({.cmd = MMUEXT_NEW_USER_BASEPTR, .arg1 = other.l4.n}), 0);
  EXPECT_EQ(d0.word(other.l4, 256), 0u);
}

// The L4's entry to itself may not be executed: __PAGE_HYPERVISOR_RW.
TEST_F(observed_test, slot_258_is_the_table_itself) { EXPECT_EQ(d0.word(t.l4, 258), make_pte(t.l4, PAGE_NX | 0x63)); }

// A frame mapped writable and write-combining is marked, stays so without mappings, and loses the mark as a table
// (mm.c:1033, 3093).
TEST_F(observed_test, write_combined_frames_are_non_coherent) {
  d0.d.iomem_caps.push_back({{0xfec00}, {0xfec00}});  // who may map devices may choose cache attributes
  const mfn_t frame = d0.frame();
  ASSERT_EQ(d0.update(t.l1, 9, make_pte(frame, rw_flags | PAGE_PAT)), 0);
  EXPECT_EQ(d0.info(frame).type_info, PGT_writable_page | PGT_validated | PGT_non_coherent | 1);
  ASSERT_EQ(d0.update(t.l1, 9, 0), 0);
  EXPECT_EQ(d0.info(frame).type_info, PGT_writable_page | PGT_validated | PGT_non_coherent);
  ASSERT_EQ(d0.pin(1, frame), 0);
  EXPECT_EQ(d0.info(frame).type_info, PGT_l1_page_table | PGT_pinned | PGT_validated | 1);
}

// A compare-and-exchange that does not match reads, compares and ends: a value that Xen would refuse is not looked at.
TEST_F(observed_test, an_unequal_cmpxchg_checks_nothing) {
  const u64 refused = make_pte(t.l2, rw_flags);
  const pte_t before = d0.word(t.l1, 5);
  const access_result unequal = d0.access(cmpxchg, l1_va + 5 * 8, refused, 8, before + 1);
  EXPECT_FALSE(unequal.fault);
  EXPECT_EQ(unequal.value, before);
  EXPECT_TRUE(d0.access(cmpxchg, l1_va + 5 * 8, refused, 8, before).fault);
}

// An exchange for what lies there already writes nothing, and whether the entry could be made anew is not looked at
// (x86_emulate.c:11556).
TEST_F(observed_test, an_exchange_that_changes_nothing_checks_nothing) {
  const u64 refused = make_pte(t.l2, rw_flags);
  const pte_t before = std::exchange(d0.word(t.l1, 5), refused);
  const access_result same = d0.access(xchg, l1_va + 5 * 8, refused);
  EXPECT_FALSE(same.fault);
  EXPECT_EQ(same.value, refused);
  EXPECT_TRUE(d0.access(xchg, l1_va + 5 * 8, refused ^ PAGE_DIRTY).fault);
  EXPECT_TRUE(d0.access(write, l1_va + 5 * 8, refused).fault);
  d0.word(t.l1, 5) = before;
}

// To complete a part of an entry Xen reads it through the guest's mapping, which marks that accessed; a whole entry is
// written without a look (ro-page-fault.c:112).
TEST_F(observed_test, partial_stores_mark_the_mapping_accessed) {
  mapping_of_l1() &= ~PAGE_ACCESSED;
  EXPECT_TRUE(d0.access(write, l1_va + 6 * 8, 0).emulated);
  EXPECT_EQ(mapping_of_l1() & PAGE_ACCESSED, 0u);
  EXPECT_TRUE(d0.access(write, l1_va + 6 * 8, 0, 4).emulated);
  EXPECT_EQ(mapping_of_l1() & PAGE_ACCESSED, PAGE_ACCESSED);
}

// The processor marks the entries above the last of a walk, even where the access is refused; the last only if it is
// allowed.
TEST_F(observed_test, a_refused_access_marks_what_it_passed) {
  for (const mfn_t table : {t.l4, t.l3, t.l2}) d0.word(table, 0) &= ~PAGE_ACCESSED;
  mapping_of_l1() &= ~PAGE_ACCESSED;
  EXPECT_TRUE(d0.access(write, l1_va + 5 * 8, make_pte(t.l2, rw_flags)).fault);
  for (const mfn_t table : {t.l4, t.l3, t.l2}) EXPECT_EQ(d0.word(table, 0) & PAGE_ACCESSED, PAGE_ACCESSED);
  EXPECT_EQ(mapping_of_l1() & PAGE_ACCESSED, 0u);
}

// update_va_mapping finds the L1 through Xen's linear map, and the L3 entry on that way is marked accessed.
TEST_F(observed_test, update_va_mapping_marks_the_l3_entry) {
  d0.word(t.l3, 0) &= ~PAGE_ACCESSED;
  d0.word(t.l2, 0) &= ~PAGE_ACCESSED;
  EXPECT_EQ(d0.call(update_va_mapping_call{.va = 9 * PAGE_SIZE}), 0);
  EXPECT_EQ(d0.word(t.l3, 0) & PAGE_ACCESSED, PAGE_ACCESSED);
  EXPECT_EQ(d0.word(t.l2, 0) & PAGE_ACCESSED, 0u);
}

}  // namespace
}  // namespace pvmmu::xen
