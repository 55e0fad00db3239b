// Changes of a grant table's version. What the real Xen 4.17.7 answers to the same calls is in
// tests/conformance/programs/xtf_255.textproto.

#include "hypervisor-model/grant_version.h"

#include "hypervisor-model/grant_table.h"
#include "tests/hypervisor-model/guest_fixture.h"

namespace pvmmu::xen {
namespace {

constexpr long ERANGE_ = -34;

/// A table of 17 frames: with version 2 it has three status frames.
class grant_version_test : public hypervisor_test {
 protected:
  static constexpr u32 nr_status = 3;

  grant_version_test() {
    t = d0.boot();
    for (int i = 0; i < 17; ++i) gnttab_grow_table(m, d0.d).value();
    table = d0.d.grants.shared[0];
  }

  /// What the call returned; then the table has version `then`.
  long set_version(u32 version, u32 then) {
    hypercall call = grant_table_op_call{.uop = gnttab_set_version_t{version}};
    const long result = do_hypercall(m, d0.cpu(), call);
    EXPECT_EQ(std::get<gnttab_set_version_t>(std::get<grant_table_op_call>(call).uop).version, then);
    return result;
  }
  std::vector<u64> status_frames() {
    std::vector<u64> frames(nr_status);
    EXPECT_EQ(status_of(d0.d, nr_status, DOMID_SELF, frames), GNTST_okay);
    return frames;
  }
  s16 status_of(domain& asking, u32 nr, domid_t of, std::span<u64> list) {
    gnttab_get_status_frames_t op{nr, of, 0, list};
    EXPECT_EQ(gnttab_get_status_frames(m, asking, 1, op), 0);
    return op.status;
  }
  s16 map(u32 ref, unsigned page, u32 flags = GNTMAP_host_map) {
    std::array<gnttab_map_grant_ref_t, 1> list{{{.host_addr = page * PAGE_SIZE, .flags = flags, .ref = ref}}};
    EXPECT_EQ(d0.call(grant_table_op_call{std::span(list), 1}), 0);
    handle = list[0].handle;
    return list[0].status;
  }
  s16 unmap(unsigned page) {
    std::array<gnttab_unmap_grant_ref_t, 1> list{{{page * PAGE_SIZE, 0, handle}}};
    EXPECT_EQ(d0.call(grant_table_op_call{std::span(list), 1}), 0);
    return list[0].status;
  }

  tree t;
  mfn_t table;
  u32 handle = 0;
};

// XSA-255: no status frame goes back to the heap while the domain refers to one of them, and all stay the domain's.
TEST_F(grant_version_test, version_1_is_refused_while_a_status_frame_is_mapped) {
  ASSERT_EQ(set_version(2, 2), 0);
  const std::vector<u64> frames = status_frames();
  for (const u64 mfn : frames) EXPECT_EQ(d0.state({mfn}), "1 writable|validated|1");
  ASSERT_EQ(d0.update(t.l1, 1, make_pte({frames[1]}, rw_flags)), 0);
  EXPECT_EQ(set_version(1, 2), EBUSY_);
  EXPECT_EQ(d0.state({frames[0]}), "1 writable|validated|1");
  EXPECT_EQ(d0.state({frames[1]}), "2 writable|validated|2");
  EXPECT_EQ(d0.state({frames[2]}), "1 writable|validated|1");
  EXPECT_EQ(status_frames(), frames);
  for (const u64 mfn : frames) EXPECT_EQ(m.page_owner(m.page({mfn})), &d0.d);

  ASSERT_EQ(d0.update(t.l1, 1, 0), 0);
  EXPECT_EQ(set_version(1, 1), 0);
  for (const u64 mfn : frames) EXPECT_EQ(m.page_owner(m.page({mfn})), nullptr);
  EXPECT_EQ(set_version(2, 2), 0);
}

// Xen clears the table, but for the first eight entries: the same is said in the other form, back and forth.
TEST_F(grant_version_test, the_first_eight_entries_are_translated) {
  const u64 grant = make_grant(t.data, GTF_permit_access | GTF_readonly, 0);
  d0.word(table, 3) = grant;
  d0.word(table, 8) = grant;
  ASSERT_EQ(d0.update(t.l1, 0, 0), 0);
  ASSERT_EQ(map(3, 1, GNTMAP_host_map | GNTMAP_readonly), GNTST_okay);
  ASSERT_EQ(set_version(2, 2), 0);
  EXPECT_EQ(d0.word(table, 6), GTF_permit_access | GTF_readonly);
  EXPECT_EQ(d0.word(table, 7), t.data.n);
  EXPECT_EQ(d0.word(table, 16), 0u);
  const mfn_t status{status_frames()[0]};
  EXPECT_EQ(d0.word(status, 0), GTF_reading << 48);
  ASSERT_EQ(set_version(1, 1), 0);
  EXPECT_EQ(d0.word(table, 3), grant | GTF_reading);
  EXPECT_EQ(d0.word(table, 8), 0u);

  ASSERT_EQ(set_version(2, 2), 0);
  EXPECT_EQ(unmap(1), GNTST_okay);
  EXPECT_EQ(d0.word({status_frames()[0]}, 0), 0u);
  ASSERT_EQ(set_version(1, 1), 0);
  EXPECT_EQ(d0.word(table, 3), grant);
}

// Version 1 has 32 bits for a frame and no transitive grants.
TEST_F(grant_version_test, what_version_1_cannot_say_keeps_the_table_at_version_2) {
  ASSERT_EQ(set_version(2, 2), 0);
  d0.word(table, 15) = u64{1} << 32;
  EXPECT_EQ(set_version(1, 1), 0);  // of an entry that grants nothing
  ASSERT_EQ(set_version(2, 2), 0);
  d0.word(table, 15) = u64{1} << 32;
  d0.word(table, 14) = GTF_permit_access;
  EXPECT_EQ(set_version(1, 2), ERANGE_);
  d0.word(table, 14) = GTF_transitive;
  d0.word(table, 15) = 0;
  EXPECT_EQ(set_version(1, 2), ERANGE_);
}

// A version in use stays; and there are two.
TEST_F(grant_version_test, a_mapped_grant_keeps_the_version) {
  d0.word(table, 8) = make_grant(t.data, GTF_permit_access, 0);
  ASSERT_EQ(map(8, 1), GNTST_okay);
  EXPECT_EQ(set_version(2, 1), EBUSY_);
  EXPECT_EQ(set_version(1, 1), 0);
  ASSERT_EQ(unmap(1), GNTST_okay);
  EXPECT_EQ(set_version(3, 1), EINVAL_);
  EXPECT_EQ(set_version(0, 1), EINVAL_);
  EXPECT_EQ(set_version(2, 2), 0);
  EXPECT_EQ(map(8, 1), GNTST_general_error);                      // cleared
  EXPECT_EQ(map(17 * grants_per_frame_v2, 1), GNTST_bad_gntref);  // half as many fit
  EXPECT_EQ(map(17 * grants_per_frame_v2 - 1, 1), GNTST_general_error);
}

// Status frames are told to those who may know, if there are so many.
TEST_F(grant_version_test, status_frames_are_told_or_not) {
  std::vector<u64> list(nr_status, ~u64{0});
  EXPECT_EQ(status_of(d0.d, 0, DOMID_SELF, list), GNTST_okay);
  EXPECT_EQ(status_of(d0.d, 1, DOMID_SELF, list), GNTST_general_error);
  ASSERT_EQ(set_version(2, 2), 0);
  EXPECT_EQ(status_of(d0.d, 4, DOMID_SELF, list), GNTST_general_error);
  EXPECT_EQ(status_of(d0.d, 1, 77, list), GNTST_bad_domain);
  EXPECT_THAT(list, testing::Each(~u64{0}));
  EXPECT_EQ(status_of(d0.d, 2, DOMID_SELF, std::span(list).first(1)), GNTST_bad_virt_addr);
  guest other{m, domain_kind::domU};
  EXPECT_EQ(status_of(other.d, 1, 0, list), GNTST_permission_denied);
  EXPECT_EQ(status_of(d0.d, 0, other.d.domid, list), GNTST_okay);
  EXPECT_EQ(d0.call(grant_table_op_call{.uop = gnttab_get_status_frames_t{}, .count = 2}), EINVAL_);
}

}  // namespace
}  // namespace pvmmu::xen
