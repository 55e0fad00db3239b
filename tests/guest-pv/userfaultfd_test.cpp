// What a userfaultfd's monitor brings.

#include "tests/guest-pv/guest_fixture.h"

namespace pvmmu::guest {
namespace {

using ::testing::ElementsAre;

constexpr u64 arena = 0x200000000000;
constexpr u64 source = 0x300000000000;

struct watched {
  explicit watched(std::string_view profile) : g({.profile = find_kernel_profile(profile)}), p(g.k.exec_mm(0)) {
    for (const u64 va : {arena, source}) EXPECT_TRUE(g.k.mmap(0, p, va, 8 * PAGE_SIZE, prot::read_write));
    EXPECT_TRUE(g.k.uffdio_register(0, p, arena, 8 * PAGE_SIZE));
    g.fill(p, source, 2);
    g.xen.calls.clear();
  }

  std::vector<std::string> calls() {
    frame_names names{{g.k.table_of(p, source, 1).value(), "src L1"}};
    for (const auto& [level, name] : {std::pair{3u, "L3"}, {2u, "L2"}, {1u, "L1"}}) {
      if (const auto table = g.k.table_of(p, arena, level)) names.emplace(*table, name);
    }
    names.emplace(g.k.table_of(p, arena, 4).value(), "pgd");
    names.emplace(g.k.user_pgd_of(p).value(), "user pgd");
    auto made = describe(g.xen.calls, names);
    g.xen.calls.clear();
    return made;
  }
  u64 last_flags() const { return g.xen.calls.back().updates.back().val & ~PTE_ADDR_MASK; }

  running_guest g;
  mm& p;
};

// A fault makes the tables and waits; the copy is mapped writable and dirty (mfill_atomic_install_pte).
TEST(userfaultfd, copy) {
  for (std::string_view profile : {"6.1", "6.12"}) {
    watched w(profile);
    EXPECT_EQ(w.g.k.read(0, w.p, arena).error().error, 16);
    EXPECT_THAT(
        w.calls(),
        ElementsAre("xen_alloc_ptpage: va RO L3", "xen_set_p4d: mmu_update{pgd[64]=L3, user pgd[64]=L3}",
                    "xen_alloc_ptpage: va RO L2", "xen_set_pud: mmu_update{L3[0]=L2}",
                    "xen_alloc_ptpage: multicall{va RO L1, PIN_L1_TABLE L1}", "xen_set_pmd: mmu_update{L2[0]=L1}"));
    EXPECT_TRUE(w.g.k.uffdio_copy(0, w.p, arena, source, 2 * PAGE_SIZE));
    EXPECT_EQ(w.last_flags(), 0x8000000000000867);
    EXPECT_THAT(w.calls(), ElementsAre("xen_set_pte: mmu_update{L1[0]=?}", "xen_set_pte: mmu_update{L1[1]=?}"));
    EXPECT_EQ(w.g.wrong_pages(w.p, arena, 2), 0u);
    EXPECT_EQ(w.g.k.uffdio_copy(0, w.p, arena + PAGE_SIZE, source, PAGE_SIZE).error().error, 17);
    EXPECT_EQ(w.g.k.uffdio_copy(0, w.p, source, arena, PAGE_SIZE).error().error, 2);
  }
}

// A copy is dirty also where it may only be read; 6.6 and later keep that in a bit of its own.
TEST(userfaultfd, copy_to_what_may_only_be_read) {
  for (const auto& [profile, flags] : {std::pair{"6.1", 0x8000000000000865}, {"6.12", 0x8400000000000825}}) {
    watched w(profile);
    ASSERT_TRUE(w.g.k.mprotect(0, w.p, arena, PAGE_SIZE, prot::read));
    EXPECT_TRUE(w.g.k.uffdio_copy(0, w.p, arena, source, PAGE_SIZE));
    EXPECT_EQ(w.last_flags(), flags) << profile;
  }
}

// 6.8 and later move the page itself: the old entry is cleared and flushed, page by page (move_present_pte); its dirty
// bit comes along, and the zero page stays what it is (move_zeropage_pte).
TEST(userfaultfd, move) {
  watched w("6.12");
  EXPECT_TRUE(w.g.k.read(0, w.p, source + 2 * PAGE_SIZE));
  const auto page = w.g.k.frame_of(w.p, source);
  EXPECT_EQ(w.g.k.read(0, w.p, arena).error().error, 16);
  w.g.xen.calls.clear();
  EXPECT_TRUE(w.g.k.uffdio_move(0, w.p, arena, source, PAGE_SIZE));
  EXPECT_EQ(w.last_flags(), 0x8000000000000867);
  EXPECT_THAT(w.calls(),
              ElementsAre("ptep_clear_flush: trap src L1[0]=0", "xen_flush_tlb_one_user: INVLPG_LOCAL 0x300000000000",
                          "xen_set_pte: mmu_update{L1[0]=?}"));
  EXPECT_EQ(w.g.k.frame_of(w.p, arena), page);
  EXPECT_TRUE(w.g.k.uffdio_move(0, w.p, arena + 2 * PAGE_SIZE, source + 2 * PAGE_SIZE, PAGE_SIZE));
  EXPECT_EQ(w.last_flags(), 0x8000000000000225);
  EXPECT_EQ(w.g.k.uffdio_move(0, w.p, arena + PAGE_SIZE, source, PAGE_SIZE).error().error, 2);
  EXPECT_EQ(w.g.k.uffdio_move(0, w.p, arena, source + PAGE_SIZE, PAGE_SIZE).error().error, 17);
}

// Tables of watched areas do not move as a whole in kernels that clear write-protection by userfaultfd on the way
// (0cef0bb836e3, which Debian's 6.1 and 6.12 have); the new place is not watched.
TEST(userfaultfd, watched_tables_stay) {
  for (const auto& [profile, traps] : {std::pair{"5.14", 0}, {"6.1", 3}, {"6.12", 3}}) {
    watched w(profile);
    ASSERT_TRUE(w.g.k.mmap(0, w.p, arena, 2 * MiB, prot::read_write));
    w.g.fill(w.p, arena, 3);
    ASSERT_TRUE(w.g.k.uffdio_register(0, w.p, arena, 2 * MiB));
    w.g.xen.calls.clear();
    ASSERT_TRUE(w.g.k.mremap(0, w.p, arena, 2 * MiB, 2 * MiB, source + 2 * MiB));
    EXPECT_EQ(std::ranges::count(w.g.xen.calls, u64{0}, &recorded_call::number), traps) << profile;
    EXPECT_EQ(w.g.wrong_pages(w.p, source + 2 * MiB, 3), 0u);
    EXPECT_EQ(w.g.k.read(0, w.p, source + 3 * MiB), 0u);
  }
}

// Kernels before 6.8 do not know it.
TEST(userfaultfd, move_is_new) {
  watched w("6.1");
  EXPECT_EQ(w.g.k.uffdio_move(0, w.p, arena, source, PAGE_SIZE).error().error, 22);
}

}  // namespace
}  // namespace pvmmu::guest
