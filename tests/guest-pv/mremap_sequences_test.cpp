// What each kernel asks of Xen to move 2 MiB that lie in one page table, call for call.
//
// Set-up of all: a process whose tables are pinned; a 2 MiB-aligned region with 512 written pages; the destination's L2
// exists and the entry for it is none; neighbours keep both L2s in use. Sources: the versions' mm/mremap.c and
// arch/x86/xen/mmu*.c, by the commits that kernel_profile.cpp names; 6.1 and 6.12 were also recorded on the real Xen.

#include "tests/guest-pv/guest_fixture.h"

namespace pvmmu::guest {
namespace {

using ::testing::ElementsAre;

constexpr u64 old_va = 0x200000000000;
constexpr u64 new_va = 0x300000000000;

struct moved_region {
  moved_region(std::string_view profile, u32 nr_cpus)
      : guest({.profile = find_kernel_profile(profile), .nr_cpus = nr_cpus}), p(guest.k.exec_mm(0)) {
    for (u64 va : {old_va, new_va}) {
      EXPECT_TRUE(guest.k.mmap(0, p, va + 4 * MiB, PAGE_SIZE, prot::read_write));
      guest.fill(p, va + 4 * MiB, 1);
    }
    EXPECT_TRUE(guest.k.mmap(0, p, old_va, 2 * MiB, prot::read_write));
    guest.fill(p, old_va, 512);
    names[guest.k.table_of(p, old_va, 1).value()] = "L1";
    names[guest.k.table_of(p, old_va, 2).value()] = "old L2";
    names[guest.k.table_of(p, new_va, 2).value()] = "new L2";
    guest.xen.calls.clear();
    guest.m.perfc = {};

    EXPECT_TRUE(guest.k.mremap(0, p, old_va, 2 * MiB, 2 * MiB, new_va));
    names.emplace(guest.k.table_of(p, new_va, 1).value(), "new L1");
  }

  std::vector<std::string> sequence() const { return describe(guest.xen.calls, names); }
  /// The sequence without the 512 clears and the 17 batches of new entries, which must be there.
  std::vector<std::string> sequence_around_ptes() const {
    std::vector<recorded_call> others;
    u64 traps = 0, batches = 0;
    for (const recorded_call& c : guest.xen.calls) {
      if (c.number == 0) {
        ++traps;
      } else if (c.caller == "xen_set_pte") {
        ++batches;
      } else {
        others.push_back(c);
      }
    }
    EXPECT_EQ(traps, 512u);
    EXPECT_EQ(batches, pte_batches);
    return describe(others, names);
  }

  u64 pte_batches = 17;
  running_guest guest;
  mm& p;
  frame_names names;
};

constexpr u32 split = 8192;
constexpr u32 not_split = 2;

// 5.15 and later: clear, make the table read-only once more, set, flush (36c9b5929b70).
TEST(mremap_sequences, linux_6_1) {
  for (std::string_view profile : {"6.1", "6.12"}) {
    EXPECT_THAT(moved_region(profile, split).sequence(),
                ElementsAre("xen_set_pmd: mmu_update{old L2[0]=0}", "xen_alloc_ptpage: va RO L1",
                            "xen_set_pmd: mmu_update{new L2[0]=L1}", "xen_flush_tlb: TLB_FLUSH_LOCAL"))
        << profile;
  }
}

// 5.14: the populate pins what is pinned; Xen refuses, Linux warns, and the move succeeds all the same (0881ace292b6).
TEST(mremap_sequences, linux_5_14_pins_twice) {
  const moved_region r("5.14", split);
  EXPECT_THAT(r.sequence(), ElementsAre("xen_set_pmd: mmu_update{old L2[0]=0}",
                                        "xen_alloc_ptpage: multicall{va RO L1, PIN_L1_TABLE L1}",
                                        "xen_set_pmd: mmu_update{new L2[0]=L1}", "xen_flush_tlb: TLB_FLUSH_LOCAL"));
  EXPECT_THAT(r.guest.xen.refused(r.names), ElementsAre("xen_alloc_ptpage: PIN_L1_TABLE L1 = -22"));
  EXPECT_THAT(r.guest.k.messages(), ::testing::Contains("1 of 2 multicall(s) failed: cpu 0"));
}

// Without split page-table locks 5.14 does what 5.15 does: there is no pin to repeat.
TEST(mremap_sequences, linux_5_14_without_split_locks) {
  const moved_region r("5.14", not_split);
  EXPECT_EQ(r.sequence(), moved_region("6.1", not_split).sequence());
  EXPECT_THAT(r.guest.xen.refused(), ElementsAre());
}

// 5.0 to 5.13: clear and set; the flush is under the page-table lock (2c91bd4a4e2e).
TEST(mremap_sequences, linux_5_0) {
  for (std::string_view profile : {"5.0", "5.11"}) {
    EXPECT_THAT(moved_region(profile, split).sequence(),
                ElementsAre("xen_set_pmd: mmu_update{old L2[0]=0}", "xen_set_pmd: mmu_update{new L2[0]=L1}",
                            "xen_flush_tlb: TLB_FLUSH_LOCAL"))
        << profile;
  }
}

// The patch of October 2018: the same calls for one table; one flush for all of them comes at the end.
TEST(mremap_sequences, october_2018_v1) {
  EXPECT_THAT(moved_region("oct2018-v1", split).sequence(),
              ElementsAre("xen_set_pmd: mmu_update{old L2[0]=0}", "xen_set_pmd: mmu_update{new L2[0]=L1}",
                          "xen_flush_tlb: TLB_FLUSH_LOCAL"));
}

// 4.18 to 4.20: a new L1, pinned where page-table locks are split; 512 trapped clears with 17 batches of new entries; a
// flush; and the unmapping of the old place frees its L1.
TEST(mremap_sequences, linux_4_18_and_4_20_move_entries) {
  for (std::string_view profile : {"4.18", "4.20"}) {
    EXPECT_THAT(
        moved_region(profile, split).sequence_around_ptes(),
        ElementsAre("xen_alloc_ptpage: multicall{va RO new L1, PIN_L1_TABLE new L1}",
                    "xen_set_pmd: mmu_update{new L2[0]=new L1}", "xen_flush_tlb: TLB_FLUSH_LOCAL",
                    "xen_set_pmd: mmu_update{old L2[0]=0}", "xen_release_ptpage: multicall{UNPIN_TABLE L1, va RW L1}",
                    "xen_flush_tlb_one_user: INVLPG_LOCAL 0x200000000000"))
        << profile;
    EXPECT_THAT(moved_region(profile, not_split).sequence_around_ptes(),
                ElementsAre("xen_alloc_ptpage: va RO new L1", "xen_set_pmd: mmu_update{new L2[0]=new L1}",
                            "xen_flush_tlb: TLB_FLUSH_LOCAL", "xen_set_pmd: mmu_update{old L2[0]=0}",
                            "xen_release_ptpage: va RW L1", "xen_flush_tlb_one_user: INVLPG_LOCAL 0x200000000000"))
        << profile;
  }
}

// 4.17 and older: 64 entries at a time, so 8 times 31 + 31 + 2, and a flush for each.
TEST(mremap_sequences, linux_4_17_moves_64_entries_at_a_time) {
  moved_region r("4.17", split);
  r.pte_batches = 24;
  EXPECT_THAT(
      r.sequence_around_ptes(),
      ElementsAre("xen_alloc_ptpage: multicall{va RO new L1, PIN_L1_TABLE new L1}",
                  "xen_set_pmd: mmu_update{new L2[0]=new L1}", "8 x xen_flush_tlb: TLB_FLUSH_LOCAL",
                  "xen_set_pmd: mmu_update{old L2[0]=0}", "xen_release_ptpage: multicall{UNPIN_TABLE L1, va RW L1}",
                  "xen_flush_tlb_one_user: INVLPG_LOCAL 0x200000000000"));
}

// From 6.7 on a move that starts at the same offset within 2 MiB at both places moves the whole table, if nothing else
// lies in front (af8ca1c14906); before, it moves entries.
TEST(mremap_sequences, linux_6_12_widens_moves) {
  for (const auto& [profile, traps] : {std::pair{"6.1", 509u}, std::pair{"6.12", 0u}}) {
    running_guest g({.profile = find_kernel_profile(profile)});
    mm& p = g.k.exec_mm(0);
    const u64 offset = 3 * PAGE_SIZE, len = 2 * MiB - offset;
    ASSERT_TRUE(g.k.mmap(0, p, old_va + offset, len, prot::read_write));
    g.fill(p, old_va + offset, 509);
    g.xen.calls.clear();
    ASSERT_TRUE(g.k.mremap(0, p, old_va + offset, len, len, new_va + offset));
    EXPECT_EQ(std::ranges::count(g.xen.calls, u64{0}, &recorded_call::number), traps) << profile;
    EXPECT_EQ(g.wrong_pages(p, new_va + offset, 509), 0u);
  }
}

// With split locks the pin keeps the L1 a validated table all through the move; without, its type count reaches 0 and
// Xen takes all 512 entries down and validates them again.
TEST(mremap_sequences, a_pin_saves_validating_512_entries_again) {
  for (std::string_view profile : {"oct2018-v1", "5.0", "5.14", "6.1", "6.12"}) {
    EXPECT_EQ(moved_region(profile, split).guest.m.perfc.entries_validated, 0u) << profile;
    const moved_region unpinned(profile, not_split);
    EXPECT_EQ(unpinned.guest.m.perfc.entries_validated, 512u) << profile;
    EXPECT_EQ(unpinned.guest.m.perfc.entries_devalidated, 512u) << profile;
  }
}

}  // namespace
}  // namespace pvmmu::guest
