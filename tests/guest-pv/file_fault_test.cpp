// Memory that shows a file, and memory that processes share.

#include "tests/guest-pv/guest_fixture.h"

namespace pvmmu::guest {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr u64 arena = 0x200000000000;
constexpr u64 page_cache_read_only = 0x8000000000000025;  ///< PAGE_READONLY
constexpr u64 page_of_its_own = 0x8000000000000867;

struct mapped_file {
  explicit mapped_file(const mapping& what, u64 pages, std::string_view profile = "6.1")
      : g({.profile = find_kernel_profile(profile)}), p(g.k.exec_mm(0)) {
    EXPECT_TRUE(g.k.create_file(0, "data", 40 * PAGE_SIZE));
    EXPECT_TRUE(g.k.mmap(0, p, arena, pages * PAGE_SIZE, what));
    g.xen.calls.clear();
  }

  static mapping file(u64 first_page = 0) {
    mapping what;
    what.kind = vma_kind::file;
    what.file = "data";
    what.pgoff = first_page;
    return what;
  }
  static mapping shared() {
    mapping what;
    what.kind = vma_kind::shared;
    return what;
  }

  /// {slot, flags} of the entries that were set since the last time.
  std::vector<std::pair<u64, u64>> set_entries() {
    std::vector<std::pair<u64, u64>> all;
    for (const recorded_call& c : g.xen.calls) {
      if (c.caller != "xen_set_pte") continue;
      EXPECT_EQ(c.updates.size(), 1u) << "no lazy mode is entered";
      all.emplace_back(c.updates[0].ptr % PAGE_SIZE / 8, c.updates[0].val & ~PTE_ADDR_MASK);
    }
    g.xen.calls.clear();
    return all;
  }

  running_guest g;
  mm& p;
};

// A read maps the aligned 16 pages around it that the page cache has, read-only, each with a call of its own
// (do_fault_around, filemap_map_pages); all but the one asked for are not looked at yet.
TEST(file_fault, reads_map_what_lies_around) {
  mapped_file f(mapped_file::file(), 40);
  EXPECT_EQ(f.g.k.read(0, f.p, arena + 20 * PAGE_SIZE), 21u);
  std::vector<std::pair<u64, u64>> expected;
  for (u64 slot = 16; slot < 32; ++slot) expected.emplace_back(slot, page_cache_read_only);
  EXPECT_EQ(f.set_entries(), expected);
  EXPECT_EQ(f.g.k.read(0, f.p, arena + 31 * PAGE_SIZE), 32u);
  EXPECT_THAT(f.set_entries(), IsEmpty());
}

// 16 pages from where the area begins, up to where it or the file ends.
TEST(file_fault, stays_within_area_and_file) {
  mapped_file f(mapped_file::file(30), 20);
  EXPECT_TRUE(f.g.k.munmap(0, f.p, arena, 2 * PAGE_SIZE));
  f.g.xen.calls.clear();
  EXPECT_EQ(f.g.k.read(0, f.p, arena + 3 * PAGE_SIZE), 34u);
  const auto entries = f.set_entries();
  EXPECT_EQ(entries.size(), 8u);
  EXPECT_EQ(entries.front().first, 2u);
  EXPECT_EQ(entries.back().first, 9u);
  EXPECT_EQ(f.g.k.read(0, f.p, arena + 10 * PAGE_SIZE).error().error, 7) << "SIGBUS behind the file's end";
}

// A write maps a copy and nothing around (do_cow_fault); a write to what a read has mapped clears and flushes first
// (wp_page_copy). The file keeps what it had.
TEST(file_fault, writes_make_copies) {
  mapped_file f(mapped_file::file(), 40);
  EXPECT_TRUE(f.g.k.write(0, f.p, arena + 8, 77));
  EXPECT_THAT(f.set_entries(), ElementsAre(std::pair{0ul, page_of_its_own}));
  EXPECT_EQ(f.g.k.read(0, f.p, arena), 1u) << "the copy holds what the file's page held";
  EXPECT_EQ(f.g.k.read(0, f.p, arena + PAGE_SIZE), 2u);
  EXPECT_EQ(f.set_entries().size(), 15u) << "what is there already stays";

  EXPECT_TRUE(f.g.k.write(0, f.p, arena + PAGE_SIZE, 88));
  EXPECT_THAT(describe(f.g.xen.calls, {{f.g.k.table_of(f.p, arena, 1).value(), "L1"}}),
              ElementsAre("ptep_clear_flush: trap L1[1]=0", "xen_flush_tlb_one_user: INVLPG_LOCAL 0x200000001000",
                          "xen_set_pte: mmu_update{L1[1]=?}"));
  EXPECT_TRUE(f.g.k.mmap(0, f.p, arena, 40 * PAGE_SIZE, mapped_file::file()));
  EXPECT_EQ(f.g.k.read(0, f.p, arena + PAGE_SIZE), 2u);
}

// Shared memory is writable from the first read on, which makes the page and is not yet dirty (shmem_fault); what is
// there already is mapped around.
TEST(file_fault, shared_memory) {
  mapped_file f(mapped_file::shared(), 40);
  EXPECT_EQ(f.g.k.read(0, f.p, arena), 0u);
  EXPECT_TRUE(f.g.k.write(0, f.p, arena + PAGE_SIZE, 5));
  EXPECT_THAT(f.set_entries(), ElementsAre(std::pair{0ul, 0x8000000000000027ul}, std::pair{1ul, page_of_its_own}));

  mm& child = f.g.k.fork(0, f.p);
  f.g.xen.calls.clear();
  EXPECT_EQ(f.g.k.read(0, child, arena), 0u);
  EXPECT_EQ(f.set_entries().size(), 2u);
  EXPECT_TRUE(f.g.k.write(0, child, arena + PAGE_SIZE, 6));
  EXPECT_EQ(f.g.k.read(0, f.p, arena + PAGE_SIZE), 6u);
}

// Unmapping dirty shared pages flushes before their lock is dropped, and again for the tables that are freed; clean
// pages wait for that (linux 6.1 mm/memory.c zap_pte_range: force_flush).
TEST(file_fault, unmapping_dirty_shared_memory_flushes_at_once) {
  mapped_file f(mapped_file::shared(), 4);
  for (const bool dirty : {false, true}) {
    EXPECT_TRUE(f.g.k.mmap(0, f.p, arena, 4 * PAGE_SIZE, mapped_file::shared()));
    EXPECT_TRUE(f.g.k.read(0, f.p, arena));
    if (dirty) f.g.fill(f.p, arena + PAGE_SIZE, 1);
    f.g.xen.calls.clear();
    EXPECT_TRUE(f.g.k.munmap(0, f.p, arena, 4 * PAGE_SIZE));
    std::vector<std::string> flushes;
    for (const std::string& call : describe(f.g.xen.calls, {})) {
      if (call.starts_with("xen_flush_tlb")) flushes.push_back(call.substr(call.find(' ') + 1));
    }
    if (dirty) {
      EXPECT_THAT(flushes, ElementsAre("INVLPG_LOCAL 0x200000000000", "INVLPG_LOCAL 0x200000001000",
                                       "INVLPG_LOCAL 0x200000000000"));
    } else {
      EXPECT_THAT(flushes, ElementsAre("INVLPG_LOCAL 0x200000000000"));
    }
  }
}

}  // namespace
}  // namespace pvmmu::guest
