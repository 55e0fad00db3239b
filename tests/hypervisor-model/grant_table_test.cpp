// Grants of a domain to itself. Every expected value is what the real Xen 4.17.7 answered to the same calls
// (tests/lab/grants_test.cpp).

#include "hypervisor-model/grant_table.h"

#include "tests/hypervisor-model/guest_fixture.h"

namespace pvmmu::xen {
namespace {

constexpr u32 host = GNTMAP_host_map, device = GNTMAP_device_map, readonly = GNTMAP_readonly,
              by_pte = GNTMAP_contains_pte;
constexpr u32 ref = 8;

/// Frame `data` is granted, as `ref`; what is mapped is mapped in the slots of `l1` from 1 on, at page 1, 2, …
class grant_table_test : public hypervisor_test {
 protected:
  grant_table_test() {
    t = d0.boot();
    EXPECT_EQ(d0.update(t.l1, 0, 0), 0);  // only grants map the data page
    table = gnttab_grow_table(m, d0.d).value();
    grant(GTF_permit_access);
  }

  void grant(u64 flags, domid_t to = 0) { entry() = make_grant(t.data, flags, to); }
  u64& entry() { return d0.word(table, ref); }
  u64 flags_of_entry() { return entry() & 0xffff; }
  static u64 va(unsigned page) { return page * PAGE_SIZE; }
  u64 pte_address(unsigned slot) const { return mfn_to_maddr(t.l1, slot * sizeof(pte_t)).bytes; }

  /// The status; the handle goes to `handle`.
  s16 map(u64 addr, u32 flags, u32 of = ref, domid_t dom = 0) {
    std::array<gnttab_map_grant_ref_t, 1> list{{{.host_addr = addr, .flags = flags, .ref = of, .dom = dom}}};
    EXPECT_EQ(d0.call(grant_table_op_call{std::span(list), 1}), 0);
    if (list[0].status == GNTST_okay) handle = list[0].handle;
    return list[0].status;
  }
  s16 unmap(u64 host_addr, u64 dev_bus_addr, u32 of) {
    std::array<gnttab_unmap_grant_ref_t, 1> list{{{host_addr, dev_bus_addr, of}}};
    EXPECT_EQ(d0.call(grant_table_op_call{std::span(list), 1}), 0);
    return list[0].status;
  }
  u64 data_maddr() const { return mfn_to_maddr(t.data).bytes; }

  tree t;
  mfn_t table;
  u32 handle = ~u32{0};
};

// A host mapping is an entry with the references of any other; the guest sees in its grant that it is in use.
TEST_F(grant_table_test, a_host_mapping_is_an_entry) {
  ASSERT_EQ(map(va(1), host), GNTST_okay);
  EXPECT_EQ(d0.word(t.l1, 1), make_pte(t.data, 0x8010000000000067));
  EXPECT_EQ(d0.state(t.data), "2 writable|validated|1");
  EXPECT_EQ(flags_of_entry(), GTF_permit_access | GTF_reading | GTF_writing);
  ASSERT_EQ(map(va(2), host | readonly | GNTMAP_application_map), GNTST_okay);
  EXPECT_EQ(d0.word(t.l1, 2), make_pte(t.data, 0x8000000000000165));
  EXPECT_EQ(d0.state(t.data), "3 writable|validated|1");
  EXPECT_EQ(unmap(va(1), 0, 0), GNTST_okay);
  EXPECT_EQ(d0.word(t.l1, 1), 0u);
  EXPECT_EQ(d0.state(t.data), "2 writable|validated|0");
  EXPECT_EQ(flags_of_entry(), GTF_permit_access | GTF_reading);
  EXPECT_EQ(unmap(va(1), 0, 0), GNTST_bad_handle);
}

// XSA-224: each of two mappings holds a writable reference, whichever goes first.
TEST_F(grant_table_test, host_and_device_mappings_count_for_themselves) {
  ASSERT_EQ(map(va(1), host | device), GNTST_okay);
  EXPECT_EQ(d0.state(t.data), "3 writable|validated|2");
  EXPECT_EQ(unmap(va(1), data_maddr() + PAGE_SIZE, handle), GNTST_bad_dev_addr);
  EXPECT_EQ(unmap(0, 0, handle), GNTST_okay);
  EXPECT_EQ(d0.state(t.data), "3 writable|validated|2");
  EXPECT_EQ(unmap(va(1), 0, handle), GNTST_okay);
  EXPECT_EQ(d0.pin(1, t.data), EINVAL_);
  EXPECT_EQ(unmap(0, data_maddr(), handle), GNTST_okay);
  EXPECT_EQ(d0.pin(1, t.data), 0);
  EXPECT_EQ(flags_of_entry(), GTF_permit_access);
}

// XSA-227: an entry's address must be that of one entry, and of a live L1.
TEST_F(grant_table_test, an_entry_named_by_its_address_is_an_entry_of_an_l1) {
  EXPECT_EQ(map(pte_address(3) + 6, host | by_pte), GNTST_general_error);
  EXPECT_EQ(map(mfn_to_maddr(t.l2).bytes, host | by_pte), GNTST_general_error);
  EXPECT_EQ(map(mfn_to_maddr(d0.frame()).bytes, host | by_pte), GNTST_general_error);
  EXPECT_EQ(d0.state(t.data), "1 writable|validated|0");
  EXPECT_EQ(flags_of_entry(), GTF_permit_access);
  ASSERT_EQ(map(pte_address(3), host | by_pte), GNTST_okay);
  EXPECT_EQ(unmap(va(3), 0, handle), GNTST_general_error);
  EXPECT_EQ(unmap(pte_address(3), 0, handle), GNTST_okay);
}

// XSA-234: an unmap takes the references of the entry it finds, so it must find the frame with the same RW bit.
TEST_F(grant_table_test, an_unmap_wants_an_entry_like_the_one_it_made) {
  ASSERT_EQ(map(va(1), host), GNTST_okay);
  ASSERT_EQ(d0.update(t.l1, 1, make_pte(t.data, ro_flags)), 0);
  EXPECT_EQ(d0.state(t.data), "2 writable|validated|0");
  EXPECT_EQ(unmap(va(1), 0, handle), GNTST_general_error);
  EXPECT_EQ(d0.pin(1, t.data), 0);
  EXPECT_EQ(d0.unpin(t.data), 0);
  ASSERT_EQ(d0.update(t.l1, 5, make_pte(t.data, rw_flags)), 0);
  EXPECT_EQ(unmap(va(5), 0, handle), GNTST_okay);  // it is no matter where
  EXPECT_EQ(d0.state(t.data), "2 writable|validated|0");
}

// A page table is mapped read-only or not at all.
TEST_F(grant_table_test, a_page_table_is_not_mapped_writable) {
  ASSERT_EQ(d0.pin(1, t.data), 0);
  EXPECT_EQ(map(va(1), host), GNTST_general_error);
  EXPECT_EQ(map(0, device), GNTST_general_error);
  EXPECT_EQ(map(va(1), host | device), GNTST_general_error);
  EXPECT_EQ(flags_of_entry(), GTF_permit_access);
  EXPECT_EQ(map(va(1), host | readonly), GNTST_okay);
  EXPECT_EQ(d0.state(t.data), "3 l1|pinned|validated|1");
}

// What is not granted, or not so.
TEST_F(grant_table_test, what_is_not_granted_is_refused) {
  EXPECT_EQ(map(va(1), readonly), GNTST_bad_gntref);
  EXPECT_EQ(map(va(1), host, ref, DOMID_SELF), GNTST_bad_domain);
  EXPECT_EQ(map(va(1), host, 512), GNTST_bad_gntref);
  EXPECT_EQ(map(u64{1} << 63, host), GNTST_general_error);
  grant(GTF_permit_access | GTF_readonly);
  EXPECT_EQ(map(va(1), host), GNTST_general_error);
  EXPECT_EQ(map(va(1), host | readonly), GNTST_okay);
  EXPECT_EQ(unmap(va(1), 0, handle), GNTST_okay);
  for (const u64 flags : {u64{0}, u64{2}, GTF_permit_access | GTF_sub_page}) {
    grant(flags);
    EXPECT_EQ(map(va(1), host | readonly), GNTST_general_error);
    EXPECT_EQ(flags_of_entry(), flags);
  }
  grant(GTF_permit_access, 1);
  EXPECT_EQ(map(va(1), host | readonly), GNTST_general_error);
  for (const mfn_t frame : {d1.frame(), mfn_t{0xa0}, mfn_t{0xfffffff}}) {
    entry() = make_grant(frame, GTF_permit_access, 0);
    EXPECT_EQ(map(va(1), host | readonly), GNTST_bad_page);
  }
  EXPECT_EQ(d0.state(t.data), "1 writable|validated|0");
}

// While a grant is mapped, its frame stays as it was; what its entry says of writing still counts.
TEST_F(grant_table_test, a_mapped_grant_keeps_its_frame) {
  ASSERT_EQ(map(va(1), host | readonly), GNTST_okay);
  entry() = make_grant(t.l1, GTF_permit_access | GTF_readonly, 0);
  EXPECT_EQ(map(va(2), host), GNTST_general_error);
  entry() = 0;
  EXPECT_EQ(map(va(2), host), GNTST_okay);
  EXPECT_EQ(pte_mfn(d0.word(t.l1, 2)), t.data);
  EXPECT_EQ(entry(), GTF_reading | GTF_writing);
}

// A kind of mapping is counted in eight bits, of which Xen uses seven.
TEST_F(grant_table_test, a_grant_is_mapped_128_times) {
  for (unsigned i = 1; i <= 128; ++i) ASSERT_EQ(map(va(i), host | readonly), GNTST_okay);
  EXPECT_EQ(map(va(129), host | readonly), GNTST_general_error);
  EXPECT_EQ(map(va(130), host), GNTST_okay);
  EXPECT_EQ(map(0, device | readonly), GNTST_okay);
  EXPECT_EQ(d0.info(t.data).ref_count(), 131u);
}

// Handles are given out in turn; a mapping that fails has had one, too.
TEST_F(grant_table_test, handles_come_in_turn) {
  EXPECT_EQ(map(va(1), host), GNTST_okay);
  EXPECT_EQ(handle, 0u);
  EXPECT_EQ(map(u64{1} << 63, host), GNTST_general_error);
  EXPECT_EQ(map(va(1), host), GNTST_okay);
  EXPECT_EQ(handle, 2u);
  EXPECT_EQ(unmap(va(1), 0, 0), GNTST_okay);
  EXPECT_EQ(map(va(1), host), GNTST_okay);
  EXPECT_EQ(handle, 3u);
}

// The call itself fails for a count that is negative, and at the end of what can be read.
TEST_F(grant_table_test, a_list_is_read_as_far_as_it_goes) {
  std::array<gnttab_map_grant_ref_t, 1> list{{{.host_addr = va(1), .flags = host, .ref = ref}}};
  EXPECT_EQ(d0.call(grant_table_op_call{std::span(list), 0x80000000}), EINVAL_);
  EXPECT_EQ(d0.call(grant_table_op_call{std::span(list).first(0), 0}), 0);
  EXPECT_EQ(d0.call(grant_table_op_call{std::span(list), 2}), EFAULT_);
  EXPECT_EQ(d0.state(t.data), "2 writable|validated|1");
  std::array<gnttab_unmap_grant_ref_t, 1> unmaps{{{va(1), 0, list[0].handle}}};
  EXPECT_EQ(d0.call(grant_table_op_call{std::span(unmaps), 2}), EFAULT_);
  EXPECT_EQ(d0.state(t.data), "1 writable|validated|0");
}

/// Wants the processor back at every check.
class always : public preemption {
 public:
  bool check() override { return true; }
};

// Preempted, the call goes on where it was: every mapping has one status, unmaps come in batches of 32.
TEST_F(grant_table_test, a_preempted_call_goes_on) {
  std::vector<gnttab_map_grant_ref_t> maps(70);
  std::vector<gnttab_unmap_grant_ref_t> unmaps(70);
  for (unsigned i = 0; i < 70; ++i) maps[i] = {.host_addr = va(i + 1), .flags = host | readonly, .ref = ref};
  always schedule;
  m.preempt_by(&schedule);
  EXPECT_EQ(d0.call(grant_table_op_call{std::span(maps), 70}), 0);
  EXPECT_EQ(m.perfc.continuations, 69u);
  for (unsigned i = 0; i < 70; ++i) unmaps[i] = {va(i + 1), 0, maps[i].handle};
  EXPECT_EQ(d0.call(grant_table_op_call{std::span(unmaps), 70}), 0);
  m.preempt_by(nullptr);
  EXPECT_EQ(m.perfc.continuations, 69u + 2);
  for (unsigned i = 0; i < 70; ++i) EXPECT_EQ(maps[i].handle, i);
  EXPECT_EQ(d0.state(t.data), "1 writable|validated|0");
}

// The end of a domain ends its mappings for devices; nothing of it is left, its grant table included.
TEST_F(grant_table_test, nothing_is_left_of_a_domain_that_had_mappings) {
  ASSERT_EQ(map(va(1), host | device), GNTST_okay);
  m.remove_domain(0);
  for (const mfn_t mfn : {t.data, t.l1, table}) {
    EXPECT_EQ(m.page(mfn).owner, owner_none);
    EXPECT_EQ(m.page(mfn).count_info, PGC_state_free | PGC_need_scrub);
  }
}

}  // namespace
}  // namespace pvmmu::xen
