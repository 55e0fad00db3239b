// What recordings of Debian's kernels on Xen 4.17.7 show, asked of the model: the same programs, the same calls. Calls
// of parts that the model leaves out (files, the stack, the vsyscall page) do not lie between these.

#include "tests/guest-pv/guest_fixture.h"

namespace pvmmu::guest {
namespace {

using ::testing::ElementsAre;

constexpr u64 old_va = 0x200000000000;
constexpr u64 new_va = 0x300000000000;

/// Names for the tables above `va`: "L1 suffix" …
void name_tables(const kernel& k, const mm& p, u64 va, const std::string& suffix, frame_names& names) {
  for (unsigned level = 1; level <= 3; ++level) {
    if (const auto table = k.table_of(p, va, level)) names.emplace(*table, fmt::format("L{}{}", level, suffix));
  }
  names.emplace(k.table_of(p, va, 4).value(), "pgd");
  names.emplace(k.user_pgd_of(p).value(), "user pgd");
}

// 6.1: mremap of 2 MiB onto an untouched PROT_NONE area, which is unmapped first: that flushes one page although
// nothing was there, for the folded fifth level. Then munmap of the whole, which frees all its tables.
TEST(recordings, linux_6_1_pmd_move) {
  running_guest g({.profile = find_kernel_profile("6.1")});
  mm& p = g.k.exec_mm(0);
  ASSERT_TRUE(g.k.mmap(0, p, old_va, 2 * MiB, prot::read_write));
  ASSERT_TRUE(g.k.mmap(0, p, new_va, 2 * MiB, prot::none));
  g.fill(p, old_va, 512);
  frame_names names;
  name_tables(g.k, p, old_va, "", names);
  g.xen.calls.clear();
  ASSERT_TRUE(g.k.mremap(0, p, old_va, 2 * MiB, 2 * MiB, new_va));
  name_tables(g.k, p, new_va, "'", names);
  EXPECT_THAT(describe(g.xen.calls, names),
              ElementsAre("xen_flush_tlb_one_user: INVLPG_LOCAL 0x300000000000", "xen_alloc_ptpage: va RO L3'",
                          "xen_set_p4d: mmu_update{pgd[96]=L3', user pgd[96]=L3'}", "xen_alloc_ptpage: va RO L2'",
                          "xen_set_pud: mmu_update{L3'[0]=L2'}", "xen_set_pmd: mmu_update{L2[0]=0}",
                          "xen_alloc_ptpage: va RO L1", "xen_set_pmd: mmu_update{L2'[0]=L1}",
                          "xen_flush_tlb: TLB_FLUSH_LOCAL", "xen_set_pud: mmu_update{L3[0]=0}",
                          "xen_release_ptpage: va RW L2", "xen_set_p4d: mmu_update{pgd[64]=0, user pgd[64]=0}",
                          "xen_release_ptpage: va RW L3", "xen_flush_tlb_one_user: INVLPG_LOCAL 0x200000000000"));
  EXPECT_EQ(g.wrong_pages(p, new_va, 512), 0u);

  g.xen.calls.clear();
  ASSERT_TRUE(g.k.munmap(0, p, new_va, 2 * MiB));
  ASSERT_EQ(g.xen.calls.size(), 512u + 7u);
  g.xen.calls.erase(g.xen.calls.begin(), g.xen.calls.begin() + 512);  // the trapped clears
  EXPECT_THAT(
      describe(g.xen.calls, names),
      ElementsAre("xen_set_pmd: mmu_update{L2'[0]=0}", "xen_release_ptpage: multicall{UNPIN_TABLE L1, va RW L1}",
                  "xen_set_pud: mmu_update{L3'[0]=0}", "xen_release_ptpage: va RW L2'",
                  "xen_set_p4d: mmu_update{pgd[96]=0, user pgd[96]=0}", "xen_release_ptpage: va RW L3'",
                  "xen_flush_tlb: TLB_FLUSH_LOCAL"));
}

// 6.12: eight tables moved by one mremap, each with its own flush.
TEST(recordings, linux_6_12_eight_pmds) {
  running_guest g({.profile = find_kernel_profile("6.12")});
  mm& p = g.k.exec_mm(0);
  ASSERT_TRUE(g.k.mmap(0, p, old_va, 16 * MiB, prot::read_write));
  for (u64 i = 0; i < 8; ++i) g.fill(p, old_va + i * 2 * MiB, 8, 8 * i);
  frame_names names;
  name_tables(g.k, p, old_va, "", names);
  g.xen.calls.clear();
  ASSERT_TRUE(g.k.mremap(0, p, old_va, 16 * MiB, 16 * MiB, new_va));
  name_tables(g.k, p, new_va, "'", names);
  std::vector<std::string> expected{"xen_alloc_ptpage: va RO L3'",
                                    "xen_set_p4d: mmu_update{pgd[96]=L3', user pgd[96]=L3'}",
                                    "xen_alloc_ptpage: va RO L2'", "xen_set_pud: mmu_update{L3'[0]=L2'}"};
  for (int i = 0; i < 8; ++i) {
    const std::string l1 = i == 0 ? "L1" : "?";
    expected.insert(expected.end(),
                    {fmt::format("xen_set_pmd: mmu_update{{L2[{}]=0}}", i), "xen_alloc_ptpage: va RO " + l1,
                     fmt::format("xen_set_pmd: mmu_update{{L2'[{}]={}}}", i, l1), "xen_flush_tlb: TLB_FLUSH_LOCAL"});
  }
  for (const char* line : {"xen_set_pud: mmu_update{L3[0]=0}", "xen_release_ptpage: va RW L2",
                           "xen_set_p4d: mmu_update{pgd[64]=0, user pgd[64]=0}", "xen_release_ptpage: va RW L3",
                           "xen_flush_tlb_one_user: INVLPG_LOCAL 0x200000000000"}) {
    expected.emplace_back(line);
  }
  EXPECT_EQ(describe(g.xen.calls, names), expected);
  for (u64 i = 0; i < 8; ++i) EXPECT_EQ(g.wrong_pages(p, new_va + i * 2 * MiB, 8, 8 * i), 0u);
}

// 6.1: mprotect of 100 pages to read-only and back is 31 + 31 + 31 + 7 entries that keep accessed and dirty bits, and
// one flush, each time. The entries' flags are the recorded ones.
TEST(recordings, linux_6_1_mprotect) {
  running_guest g({.profile = find_kernel_profile("6.1")});
  mm& p = g.k.exec_mm(0);
  ASSERT_TRUE(g.k.mmap(0, p, old_va, 2 * MiB, prot::read_write));
  g.fill(p, old_va, 100);
  for (const auto& [access, flags] :
       {std::pair{prot::read, 0x8000000000000865}, std::pair{prot::read_write, 0x8000000000000867}}) {
    g.xen.calls.clear();
    ASSERT_TRUE(g.k.mprotect(0, p, old_va, 2 * MiB, access));
    std::vector<std::size_t> sizes;
    for (const recorded_call& c : g.xen.calls) {
      sizes.push_back(c.updates.size());
      for (const mmu_update_t& u : c.updates) {
        EXPECT_EQ(u.ptr & 7, u64{MMU_PT_UPDATE_PRESERVE_AD});
        EXPECT_EQ(u.val & ~PTE_ADDR_MASK, flags);
      }
    }
    EXPECT_THAT(sizes, ElementsAre(31, 31, 31, 7, 0));
    EXPECT_EQ(describe(g.xen.calls.back(), {}), "TLB_FLUSH_LOCAL");
  }
  EXPECT_EQ(g.wrong_pages(p, old_va, 100), 0u);
}

/// The flags of the last entry that was asked for, and of the last mapping that was made read-only.
struct last_flags {
  u64 entry = 0;
  u64 read_only = 0;
  explicit last_flags(const std::vector<recorded_call>& calls) {
    for (const recorded_call& c : calls) note(c);
  }
  void note(const recorded_call& c) {
    for (const mmu_update_t& u : c.updates) entry = u.val & ~PTE_ADDR_MASK;
    for (const recorded_call& e : c.entries) note(e);
    if (c.number == HYPERVISOR_update_va_mapping) read_only = c.va_mapping.val & ~PTE_ADDR_MASK;
  }
};

// The flags that the recordings show: a written page, a page table's mapping, and an entry that mprotect has made
// read-only. 6.12 keeps the dirty bit of what is not writable in bit 58.
TEST(recordings, flags_of_entries) {
  for (const auto& [profile, read_only_table, read_only_page] :
       {std::tuple{"6.1", 0x8000000000000061, 0x8000000000000865}, {"6.12", 0x8000000000000021, 0x8400000000000825}}) {
    running_guest g({.profile = find_kernel_profile(profile)});
    mm& p = g.k.exec_mm(0);
    ASSERT_TRUE(g.k.mmap(0, p, old_va, PAGE_SIZE, prot::read_write));
    g.xen.calls.clear();
    ASSERT_TRUE(g.k.write(0, p, old_va, 1));
    EXPECT_EQ(last_flags(g.xen.calls).entry, 0x8000000000000867);
    EXPECT_EQ(last_flags(g.xen.calls).read_only, read_only_table);
    g.xen.calls.clear();
    ASSERT_TRUE(g.k.mprotect(0, p, old_va, PAGE_SIZE, prot::read));
    EXPECT_EQ(last_flags(g.xen.calls).entry, read_only_page);
  }
}

}  // namespace
}  // namespace pvmmu::guest
