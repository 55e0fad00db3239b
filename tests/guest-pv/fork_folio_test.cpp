// Fork with large folios in the page cache, and pages that the balloon gave away.

#include "tests/guest-pv/guest_fixture.h"

namespace pvmmu::guest {
namespace {

constexpr u64 va = 0x40000000;

/// A process with a file's 8 pages, of two folios, in [va, va + 9 pages); the first is its own by now.
mm& map_library(running_guest& g) {
  mm& a = g.k.exec_mm(0);
  mapping what(prot::read_write);
  what.kind = vma_kind::file;
  what.file = "library";
  EXPECT_TRUE(g.k.mmap(0, a, va, 9 * PAGE_SIZE, what));
  EXPECT_EQ(g.k.read(0, a, va), 1u);
  EXPECT_TRUE(g.k.write(0, a, va, 100));
  return a;
}

// Pages of a folio lie side by side, in the domain's own numbers.
TEST(fork_folio, a_folio_is_contiguous) {
  running_guest g({});
  ASSERT_TRUE(g.k.create_file(0, "library", 8 * PAGE_SIZE, 2));
  mm& a = map_library(g);
  const pfn_t fourth = g.k.mfn_to_pfn(g.k.frame_of(a, va + 4 * PAGE_SIZE).value()).value();
  EXPECT_EQ(fourth.n % 4, 0u);
  EXPECT_EQ(g.k.mfn_to_pfn(g.k.frame_of(a, va + 7 * PAGE_SIZE).value()), fourth + 3);
}

// Whether fork copies entry by entry or folio by folio, the child has the same pages and the calls are the same.
TEST(fork_folio, a_batch_asks_what_single_entries_ask) {
  std::vector<std::string> calls[2];
  for (const bool batched : {false, true}) {
    kernel_profile p = *find_kernel_profile("6.12");
    if (!batched) p.pte_batch_end = pte_batch::single;
    running_guest g({.profile = &p});
    ASSERT_TRUE(g.k.create_file(0, "library", 8 * PAGE_SIZE, 2));
    mm& a = map_library(g);
    g.xen.calls.clear();
    mm& b = g.k.fork(0, a);
    for (const auto& c : g.xen.calls) calls[batched].push_back(describe(c, frame_names{}));
    for (u64 i = 1; i < 8; ++i) EXPECT_EQ(g.k.frame_of(b, va + i * PAGE_SIZE), g.k.frame_of(a, va + i * PAGE_SIZE));
  }
  EXPECT_EQ(calls[0], calls[1]);
}

// A page that the balloon gave away is out of the domain: Xen has the frame, and the kernel makes no entry for it.
TEST(fork_folio, the_balloon_gives_a_frame_away) {
  running_guest g({.vcpus = 2});
  const pfn_t page = g.k.alloc_page();
  const mfn_t frame = g.k.pfn_to_mfn(page);
  g.k.balloon_out(0, page);
  EXPECT_EQ(g.m.page_owner(g.m.page(frame)), nullptr);
  EXPECT_EQ(g.k.mfn_to_pfn(frame), std::nullopt);
  EXPECT_TRUE(g.k.messages().empty());
}

// Behind the folio lies a page without a frame, and behind its last entry an empty one: a batch found by comparing
// takes it in.
TEST(fork_folio, a_batch_found_by_comparing_may_overrun_the_folio) {
  for (const bool compares : {false, true}) {
    kernel_profile p = *find_kernel_profile("6.12");
    if (compares) p.pte_batch_end = pte_batch::compared;
    running_guest g({.profile = &p});
    ASSERT_TRUE(g.k.create_file(0, "library", 8 * PAGE_SIZE, 2));
    std::vector<pfn_t> spare;  // the frames that aligning the folios has left over, and the one behind them
    for (int i = 0; i < 8; ++i) spare.push_back(g.k.alloc_page());
    mm& a = map_library(g);
    const pfn_t last = g.k.mfn_to_pfn(g.k.frame_of(a, va + 7 * PAGE_SIZE).value()).value();
    ASSERT_THAT(spare, ::testing::Contains(last + 1));
    g.k.balloon_out(0, last + 1);
    g.k.fork(0, a);
    EXPECT_EQ(g.k.messages().empty(), !compares);
    if (compares) {
      EXPECT_THAT(g.k.messages().back(), ::testing::HasSubstr("VM_WARN_ON_FOLIO"));
    }
  }
}

}  // namespace
}  // namespace pvmmu::guest
