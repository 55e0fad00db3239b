// Loads and stores: the walk, its faults, and the emulation of stores to L1 tables (xen 4.17 pv/ro-page-fault.c).

#include "tests/hypervisor-model/guest_fixture.h"

namespace pvmmu::xen {
namespace {

using enum access_kind;

class guest_access_test : public hypervisor_test {
 protected:
  guest_access_test() {
    d0.word(t.l1, 0) = make_pte(t.data, rw_flags);
    unsigned slot = 1;
    for (const mfn_t table : {t.l1, t.l2, t.l3, t.l4}) d0.word(t.l1, slot++) = make_pte(table, ro_flags);
    EXPECT_EQ(d0.baseptr(t.l4), 0);
  }

  static constexpr u64 l1_va = PAGE_SIZE;
  tree t = d0.build_tree();
  mfn_t spare = d0.frame();
};

// Stores and loads of every size go to the frame that the tables name, and set A and D on their way.
TEST_F(guest_access_test, plain_memory) {
  d0.word(t.l1, 0) &= ~(PAGE_ACCESSED | PAGE_DIRTY);
  EXPECT_FALSE(d0.access(write, 0x18, 0x1122334455667788).fault);
  EXPECT_EQ(d0.word(t.data, 3), 0x1122334455667788u);
  EXPECT_EQ(d0.word(t.l1, 0) & (PAGE_ACCESSED | PAGE_DIRTY), PAGE_ACCESSED | PAGE_DIRTY);
  EXPECT_FALSE(d0.access(write, 0x1a, 0xabcd, 2).fault);
  EXPECT_EQ(d0.access(read, 0x18).value, 0x11223344abcd7788u);
  EXPECT_EQ(d0.access(read, 0x19, 0, 1).value, 0x77u);
  EXPECT_EQ(d0.access(xchg, 0x18, 1).value, 0x11223344abcd7788u);
  EXPECT_EQ(d0.access(cmpxchg, 0x18, 2, 8, 7).value, 1u) << "not equal: not written";
  EXPECT_EQ(d0.access(cmpxchg, 0x18, 2, 8, 1).value, 1u);
  EXPECT_EQ(d0.access(read, 0x18).value, 2u);
}

// A load does not set D.
TEST_F(guest_access_test, a_load_sets_accessed_only) {
  d0.word(t.l1, 0) &= ~(PAGE_ACCESSED | PAGE_DIRTY);
  EXPECT_FALSE(d0.access(read, 0).fault);
  EXPECT_EQ(d0.word(t.l1, 0) & (PAGE_ACCESSED | PAGE_DIRTY), PAGE_ACCESSED);
}

// Where no entry is present the guest gets the fault, with its address and what it tried. A PV guest's kernel runs in
// ring 3: its own bit is set for its handler only where user mode faulted (traps.c clears it for the kernel).
TEST_F(guest_access_test, faults_of_absent_entries) {
  const access_result load = d0.access(read, entry_span(2) + 5 * 8);
  EXPECT_TRUE(load.fault);
  EXPECT_EQ(load.cr2, entry_span(2) + 5 * 8);
  EXPECT_EQ(load.error_code, 0u);
  EXPECT_EQ(d0.access(write, entry_span(2)).error_code, PFEC_write_access);
}

// A store through a read-only mapping of a data page is a fault with `present`.
TEST_F(guest_access_test, a_read_only_page_faults) {
  ASSERT_EQ(d0.update(t.l1, 9, make_pte(spare, ro_flags)), 0);
  const access_result store = d0.access(write, 9 * PAGE_SIZE, 1);
  EXPECT_TRUE(store.fault);
  EXPECT_EQ(store.error_code, PFEC_page_present | PFEC_write_access);
  EXPECT_FALSE(d0.access(read, 9 * PAGE_SIZE).fault);
}

// A store to an L1 is emulated as an update of the entry: references, adjustment and all.
TEST_F(guest_access_test, a_store_to_an_l1_is_emulated) {
  const access_result r = d0.access(write, l1_va + 16 * 8, make_pte(spare, PAGE_PRESENT | PAGE_RW));
  EXPECT_FALSE(r.fault);
  EXPECT_TRUE(r.emulated);
  EXPECT_EQ(d0.word(t.l1, 16), make_pte(spare, PAGE_PRESENT | PAGE_RW | PAGE_USER | PAGE_GUEST_KERNEL));
  EXPECT_EQ(d0.state(spare), "2 writable|validated|1");
  EXPECT_EQ(m.perfc.ptwr_emulations, 1u);
}

// xchg, as in ptep_get_and_clear: the old entry comes back, its reference goes.
TEST_F(guest_access_test, an_xchg_of_an_l1_entry_is_emulated) {
  const u64 before = d0.word(t.l1, 0);
  const access_result r = d0.access(xchg, l1_va, 0);
  EXPECT_TRUE(r.emulated);
  EXPECT_EQ(r.value, before);
  EXPECT_EQ(d0.word(t.l1, 0), 0u);
  EXPECT_EQ(d0.state(t.data), "1 writable|validated|0");
}

// cmpxchg compares the whole entry, A and D too: an entry that the processor has touched meanwhile is not replaced,
// and the reference taken for the new one is dropped.
TEST_F(guest_access_test, a_cmpxchg_compares_accessed_and_dirty) {
  const u64 before = d0.word(t.l1, 0);
  const u64 next = make_pte(spare, rw_flags);
  const access_result failed = d0.access(cmpxchg, l1_va, next, 8, before & ~PAGE_DIRTY);
  EXPECT_TRUE(failed.emulated);
  EXPECT_EQ(failed.value, before);
  EXPECT_EQ(d0.word(t.l1, 0), before);
  EXPECT_EQ(d0.info(spare).ref_count(), 1u);
  const access_result done = d0.access(cmpxchg, l1_va, next, 8, before);
  EXPECT_EQ(done.value, before);
  EXPECT_EQ(d0.word(t.l1, 0), next);
  EXPECT_EQ(d0.state(spare), "2 writable|validated|1");
}

// A store of a part of an entry changes that part: here the low byte with P and RW.
TEST_F(guest_access_test, a_sub_word_store_is_emulated) {
  const u64 before = d0.word(t.l1, 0);
  EXPECT_TRUE(d0.access(write, l1_va, (before & ~PAGE_RW) & 0xff, 1).emulated);
  EXPECT_EQ(d0.word(t.l1, 0), before & ~PAGE_RW);
  EXPECT_EQ(d0.state(t.data), "2 writable|validated|0");
  EXPECT_TRUE(d0.access(write, l1_va + 4, 0x80000000 | (before >> 32), 4).emulated);
  EXPECT_EQ(d0.word(t.l1, 0), (before & ~PAGE_RW) | PAGE_NX);
}

// A cmpxchg of a part compares that part only.
TEST_F(guest_access_test, a_sub_word_cmpxchg_is_emulated) {
  const u64 before = d0.word(t.l1, 0);
  const access_result failed = d0.access(cmpxchg, l1_va, 0, 1, 0x00);
  EXPECT_EQ(failed.value, before & 0xff);
  EXPECT_EQ(d0.word(t.l1, 0), before);
  EXPECT_EQ(d0.access(cmpxchg, l1_va, (before & ~PAGE_RW) & 0xff, 1, before & 0xff).value, before & 0xff);
  EXPECT_EQ(d0.word(t.l1, 0), before & ~PAGE_RW);
}

// An unaligned store is not emulated, though it would change nothing: the guest faults.
TEST_F(guest_access_test, an_unaligned_store_is_refused) {
  const u64 before = d0.word(t.l1, 0);
  const access_result r = d0.access(write, l1_va + 1, before >> 8 & 0xffff, 2);
  EXPECT_TRUE(r.fault);
  EXPECT_FALSE(r.emulated);
  EXPECT_EQ(r.error_code, PFEC_page_present | PFEC_write_access);
  EXPECT_EQ(d0.word(t.l1, 0), before);
}

// An entry that mmu_update would refuse is a fault here.
TEST_F(guest_access_test, a_refused_entry_faults) {
  const access_result r = d0.access(write, l1_va + 16 * 8, make_pte(t.l1, rw_flags));
  EXPECT_TRUE(r.fault);
  EXPECT_EQ(r.cr2, l1_va + 16 * 8);
  EXPECT_EQ(d0.word(t.l1, 16), 0u);
}

// Only L1 tables: a store to an L2, L3 or L4 is the guest's fault, whatever the value.
TEST_F(guest_access_test, upper_tables_fault) {
  for (const u64 page : {2u, 3u, 4u}) {
    EXPECT_TRUE(d0.access(write, page * PAGE_SIZE + 8, 0).fault) << page;
    EXPECT_TRUE(d0.access(xchg, page * PAGE_SIZE + 8, 0).fault) << page;
    EXPECT_TRUE(d0.access(cmpxchg, page * PAGE_SIZE + 8, 0, 8, 0).fault) << page;
    EXPECT_FALSE(d0.access(read, page * PAGE_SIZE + 8).fault) << page;
  }
}

// Emulation is for the guest's kernel; user mode gets its fault.
TEST_F(guest_access_test, user_mode_is_not_emulated) {
  ASSERT_EQ(d0.user_baseptr(t.l4), 0);
  const access_result r = d0.access(write, l1_va, 0, 8, 0, cpu_mode::user);
  EXPECT_TRUE(r.fault);
  EXPECT_EQ(r.error_code, PFEC_page_present | PFEC_write_access | PFEC_user_mode);
}

// There is no fast path here: new reference, write, drop. The same entry with D set moves the references in between.
TEST_F(guest_access_test, there_is_no_fast_path) {
  witness seen(m);
  EXPECT_TRUE(d0.access(write, l1_va, d0.word(t.l1, 0) | PAGE_AVAIL).emulated);
  EXPECT_EQ(d0.state(t.data), "2 writable|validated|1");
  EXPECT_GE(seen.count(event_kind::type_info), 2u);
}

// A domU needs the vm_assist for it; dom0 does not [observed].
TEST_F(guest_access_test, a_domU_needs_the_assist) {
  const tree u = d1.build_tree();
  d1.word(u.l1, 1) = make_pte(u.l1, ro_flags);
  ASSERT_EQ(d1.baseptr(u.l4), 0);
  EXPECT_TRUE(d1.access(write, l1_va + 8 * 8, 0).fault);
  ASSERT_EQ(d1.call(vm_assist_call{VMASST_CMD_enable, VMASST_TYPE_writable_pagetables}), 0);
  EXPECT_TRUE(d1.access(write, l1_va + 8 * 8, 0).emulated);
  ASSERT_EQ(d1.call(vm_assist_call{VMASST_CMD_disable, VMASST_TYPE_writable_pagetables}), 0);
  EXPECT_TRUE(d1.access(write, l1_va + 8 * 8, 0).fault);
}

// Through a linear entry a guest reads its own tables, and cannot write to them.
TEST_F(guest_access_test, linear_tables_can_be_read) {
  ASSERT_EQ(d0.update(t.l4, 511, make_pte(t.l4, linear_flags)), 0);
  const u64 self = 0xffff000000000000 | u64{511} << 39 | u64{511} << 30 | u64{511} << 21 | u64{511} << 12;
  const access_result r = d0.access(read, self);
  EXPECT_FALSE(r.fault);
  EXPECT_EQ(r.value & PTE_ADDR_MASK, mfn_to_maddr(t.l3).bytes);
  EXPECT_TRUE(d0.access(write, self, 0).fault);
}

// Accesses that no processor makes: sizes other than 1, 2, 4, 8.
TEST_F(guest_access_test, impossible_accesses_fault_with_code_0) {
  for (const u8 bytes : std::array<u8, 4>{0, 3, 16, 255}) {
    EXPECT_TRUE(d0.access(read, 0, 0, bytes).fault) << int{bytes};
    EXPECT_EQ(d0.access(read, 0, 0, bytes).error_code, 0u);
  }
}

// Over a page's end the first page that refuses faults at its own first byte, and nothing is written. Page 0 is memory,
// page 1 the L1 itself, which no store reaches that is not within it; the processor has marked what it passed.
TEST_F(guest_access_test, accesses_of_two_pages) {
  d0.word(t.data, 511) = 0x1122334455667788;
  EXPECT_EQ(d0.access(read, PAGE_SIZE - 4).value, 0x11223344 | d0.word(t.l1, 0) << 32);
  const access_result over_the_end = d0.access(write, PAGE_SIZE - 4, 0);
  EXPECT_TRUE(over_the_end.fault);
  EXPECT_EQ(over_the_end.cr2, PAGE_SIZE);
  EXPECT_EQ(over_the_end.error_code, PFEC_page_present | PFEC_write_access);
  EXPECT_EQ(d0.word(t.data, 511), 0x1122334455667788u);
  EXPECT_TRUE(d0.word(t.l1, 0) & PAGE_DIRTY);
  ASSERT_EQ(d0.update(t.l1, 1, make_pte(t.data, rw_flags)), 0);
  EXPECT_FALSE(d0.access(write, PAGE_SIZE - 4, 0xaaaaaaaabbbbbbbb).fault);
  EXPECT_EQ(d0.word(t.data, 511), 0xbbbbbbbb55667788u);
  EXPECT_EQ(d0.word(t.data, 0) & 0xffffffff, 0xaaaaaaaau);
}

// Neither Xen's addresses nor non-canonical ones can be read by a guest.
TEST_F(guest_access_test, xens_addresses_fault) {
  for (const u64 va : {0xffff800000000000u, 0xffff810000000000u, 0xffff82d080000000u}) {
    EXPECT_TRUE(d0.access(write, va, 1).fault) << std::hex << va;
  }
}

}  // namespace
}  // namespace pvmmu::xen
