// What a domain starts with: the counts that the real Xen's frame table shows after it built one (facts section 5).

#include "hypervisor-model/domain_builder.h"

#include <array>

#include "tests/hypervisor-model/guest_fixture.h"

namespace pvmmu::xen {
namespace {

class domain_builder_test : public testing::TestWithParam<domain_kind> {
 protected:
  void TearDown() override { EXPECT_EQ(describe(audit(m)), ""); }
  mfn_t mfn(u64 pfn) const {
    for (const p2m_run& run : info.p2m) {
      if (run.pfn.n <= pfn && pfn < run.pfn.n + run.frames) return run.mfn + (pfn - run.pfn.n);
    }
    return INVALID_MFN;
  }
  u64 first_table_pfn() const { return (info.pt_base - info.virt_base) >> PAGE_SHIFT; }
  domain& built() { return *m.find_domain(info.domid); }

  machine m{{.frames = 1 << 16}};
  domain_config config{.kind = GetParam(), .pages = 8192, .vcpus = 2};
  start_info info = build_domain(m, config).value();
};

INSTANTIATE_TEST_SUITE_P(kinds, domain_builder_test, testing::Values(domain_kind::dom0, domain_kind::domU));

// Every frame is in the p2m once, owned, and Xen's m2p leads back.
TEST_P(domain_builder_test, the_p2m_covers_every_frame) {
  u64 frames = 0;
  for (const p2m_run& run : info.p2m) {
    EXPECT_EQ(run.pfn.n, frames) << "ascending, without holes";
    frames += run.frames;
  }
  EXPECT_EQ(frames, info.nr_pages);
  EXPECT_EQ(frames, config.pages);
  for (const u64 pfn : {u64{0}, frames / 2, frames - 1}) {
    EXPECT_EQ(m.page(mfn(pfn)).owner, built().owner());
    EXPECT_EQ(m.gpfn_from_mfn(mfn(pfn)), pfn);
  }
}

// Page tables: held by the table above, by their read-only mapping, by the allocation: count 3, type count 1. The L4
// comes first, pinned, and is the root of vCPU 0: count 4, type count 2.
TEST_P(domain_builder_test, page_tables_have_the_real_counts) {
  guest view{m, domain_kind::domU, 0};
  const u64 first = first_table_pfn();
  EXPECT_EQ(view.state(mfn(first)), "4 l4|pinned|validated|2");
  EXPECT_EQ(built().vcpus[0]->guest_table, mfn(first));
  std::array<unsigned, 5> tables{};
  for (u64 pfn = first + 1; pfn < first + info.nr_pt_frames; ++pfn) {
    const page_info& pg = m.page(mfn(pfn));
    EXPECT_EQ(pg.ref_count(), 3u) << pfn;
    EXPECT_EQ(pg.type_info & ~PGT_type_mask, PGT_validated | 1) << pfn;
    ++tables.at(table_level(pg.type_info));
  }
  EXPECT_EQ(tables[3], 1u);
  EXPECT_EQ(tables[2], 1u);
  EXPECT_EQ(tables[1], info.nr_pt_frames - 3);
}

// Other mapped frames are writable with count 2; those beyond the mapping have no type and count 1.
TEST_P(domain_builder_test, other_frames_have_the_real_counts) {
  guest view{m, domain_kind::domU, 0};
  EXPECT_EQ(view.state(mfn(0)), "2 writable|validated|1");
  EXPECT_EQ(view.state(mfn(first_table_pfn() - 1)), "2 writable|validated|1");
  ASSERT_LT(info.mapped_pages, info.nr_pages);
  EXPECT_EQ(view.state(mfn(info.nr_pages - 1)), "1 none|0");
}

// The mapping ends on 4 MiB, with half a MiB to spare behind the tables.
TEST_P(domain_builder_test, the_mapping_is_rounded_up) {
  EXPECT_EQ((info.virt_base + info.mapped_pages * PAGE_SIZE) % (u64{4} << 20), 0u);
  EXPECT_GE(info.mapped_pages, first_table_pfn() + info.nr_pt_frames + 128);
}

// The initial ramdisk lies between the kernel and the tables, which move by as many pages as it has, begun ones too.
TEST_P(domain_builder_test, the_ramdisk_lies_before_the_tables) {
  config.initrd_bytes = 3 * PAGE_SIZE + 1;
  const start_info with_ramdisk = build_domain(m, config).value();
  EXPECT_EQ(with_ramdisk.pt_base, info.pt_base + 4 * PAGE_SIZE);
}

// Xen shares shared_info and a page of grants, which are none of the domain's memory, and frees them with it.
TEST_P(domain_builder_test, xen_shares_two_pages) {
  guest view{m, domain_kind::domU, 0};
  for (const mfn_t shared : {built().shared_info, built().grants.shared[0]}) {
    EXPECT_EQ(view.state(shared), "1 writable|validated|1");
    EXPECT_EQ(m.page(shared).count_info, PGC_allocated | PGC_xen_heap | 1);
    EXPECT_EQ(m.gpfn_from_mfn(shared), INVALID_PFN.n);
  }
  EXPECT_EQ(built().tot_pages, config.pages);
  const mfn_t shared_info = built().shared_info;
  m.remove_domain(info.domid);
  EXPECT_EQ(m.page(shared_info).owner, owner_none);
}

// The guest finds its pages where it was told: memory can be written, tables read and not written above L1.
TEST_P(domain_builder_test, the_guest_can_use_its_mapping) {
  vcpu& v = *built().vcpus[0];
  const access_request store{.kind = access_kind::write, .va = info.virt_base + 8, .value = 0x1234};
  EXPECT_FALSE(guest_access(m, v, store).fault);
  EXPECT_EQ(m.words(mfn(0))[1], 0x1234u);
  const access_request load{.kind = access_kind::read, .va = info.pt_base + 511 * 8};
  EXPECT_EQ(guest_access(m, v, load).value, m.words(mfn(first_table_pfn()))[511]);
  const access_request bad{.kind = access_kind::write, .va = info.pt_base, .value = 0};
  EXPECT_TRUE(guest_access(m, v, bad).fault);
}

// The entries that the builder writes: dom0's L1s have P, RW, A, U and bit 52 (D comes with use); a domU's have U and
// bit 52 added by Xen.
TEST_P(domain_builder_test, kernel_entries_are_the_kernels_own) {
  for (u64 pfn = first_table_pfn() + 1; pfn < first_table_pfn() + info.nr_pt_frames; ++pfn) {
    if (table_level(m.page(mfn(pfn)).type_info) != 1) continue;
    for (unsigned slot = 0; slot < entries_per_table; ++slot) {
      const u64 entry = m.words(mfn(pfn))[slot];
      if (!present(entry)) continue;
      EXPECT_EQ(entry & ~(PTE_ADDR_MASK | PAGE_RW | PAGE_DIRTY),
                PAGE_PRESENT | PAGE_ACCESSED | PAGE_USER | PAGE_GUEST_KERNEL);
    }
  }
}

// What cannot be built is said so, and leaves nothing behind.
TEST(domain_builder_errors_test, impossible_domains) {
  machine m({.frames = 4096});
  EXPECT_FALSE(build_domain(m, {.pages = 1 << 20}));
  EXPECT_FALSE(build_domain(m, {.pages = 100, .kernel_pages = 2048}));
  EXPECT_FALSE(build_domain(m, {.pages = 3000, .vcpus = 0}));
  EXPECT_FALSE(build_domain(m, {.pages = 3000, .vcpus = 65}));
  EXPECT_FALSE(build_domain(m, {.pages = 3000, .virt_base = 0xffff800000000000}));
  EXPECT_FALSE(build_domain(m, {.pages = 3000, .virt_base = 0x123}));
  EXPECT_FALSE(build_domain(m, {.pages = 3000, .kernel_pages = 16, .initrd_bytes = ~u64{0}}));
  EXPECT_TRUE(m.domains().empty());
  EXPECT_EQ(describe(audit(m)), "");
}

// What dom0 maps is taken in one piece, whose size is a power of two: 3072 pages mapped need 4096, but not of a domU.
TEST(domain_builder_errors_test, dom0_needs_one_piece) {
  machine m({.frames = 1 << 14});
  domain_config config{.kind = domain_kind::domU, .pages = 4095};
  EXPECT_EQ(build_domain(m, config).value().mapped_pages, 3072u);
  config.kind = domain_kind::dom0;
  EXPECT_FALSE(build_domain(m, config));
  config.pages = 4096;
  EXPECT_EQ(build_domain(m, config).value().mapped_pages, 3072u);
}

}  // namespace
}  // namespace pvmmu::xen
