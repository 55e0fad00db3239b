// fork, and the writes after it.

#include "guest-pv/exec_image.h"
#include "tests/guest-pv/guest_fixture.h"

namespace pvmmu::guest {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr u64 arena = 0x200000000000;

/// The flags of every entry that was asked for, in order; of stores that Xen emulated, what was stored.
std::vector<u64> flags_of(const std::vector<recorded_call>& calls) {
  std::vector<u64> flags;
  for (const recorded_call& c : calls) {
    for (const mmu_update_t& u : c.updates) flags.push_back(u.val & ~PTE_ADDR_MASK);
  }
  return flags;
}

struct forked {
  explicit forked(std::string_view profile, u64 pages, u32 vcpus = 1)
      : g({.profile = find_kernel_profile(profile), .vcpus = vcpus}), parent(g.k.exec_mm(0)) {
    EXPECT_TRUE(g.k.mmap(0, parent, arena, 2 * MiB, prot::read_write));
    g.fill(parent, arena, pages);
    g.xen.calls.clear();
    child = &g.k.fork(0, parent);
    for (const auto& [mm, suffix] : {std::pair{&parent, ""}, {child, "'"}}) {
      for (unsigned level = 1; level <= 3; ++level) {
        names.emplace(g.k.table_of(*mm, arena, level).value(), fmt::format("L{}{}", level, suffix));
      }
      names.emplace(g.k.table_of(*mm, arena, 4).value(), fmt::format("pgd{}", suffix));
      names.emplace(g.k.user_pgd_of(*mm).value(), fmt::format("user pgd{}", suffix));
    }
    names.emplace(g.k.frame_of(parent, arena).value(), "page");
  }

  std::vector<std::string> calls_of_write(mm& p, u64 va, u64 value) {
    g.xen.calls.clear();
    EXPECT_TRUE(g.k.write(0, p, va, value));
    return describe(g.xen.calls, names);
  }

  running_guest g;
  mm& parent;
  mm* child = nullptr;
  frame_names names{};
};

// The calls of l61-fork, where they lie together: each entry of the parent is protected by a store of one byte that
// traps, the child's are queued for a table that is not pinned yet; then the child is pinned and the parent flushed.
TEST(fork, asks_what_linux_6_1_asks) {
  forked f("6.1", 2);
  EXPECT_THAT(describe(f.g.xen.calls, f.names),
              ElementsAre("ptep_set_wrprotect: trap L1[0]=?", "ptep_set_wrprotect: trap L1[1]=?",
                          "xen_set_pte: mmu_update{L1'[0]=page, L1'[1]=?}",
                          "__xen_pgd_pin: multicall{va RO L3', va RO L2', va RO L1', PIN_L1_TABLE L1', va RO pgd' "
                          "+flush, PIN_L4_TABLE pgd', va RO user pgd' +flush, PIN_L4_TABLE user pgd'}",
                          "xen_flush_tlb: TLB_FLUSH_LOCAL"));
  EXPECT_EQ(f.g.xen.calls.front().store, access_kind::write);
  EXPECT_THAT(flags_of(f.g.xen.calls), ElementsAre(0x65, 0x65, 0x8000000000000945, 0x8000000000000945));
}

// 6.6 and later protect with a cmpxchg of the whole entry, and the dirty bit moves to the one of the software.
TEST(fork, keeps_the_dirty_bit_of_6_12_apart) {
  forked f("6.12", 1);
  EXPECT_THAT(flags_of(f.g.xen.calls), ElementsAre(0x8400000000000925, 0x8400000000000905));
}

// One batch holds 31 entries: with 40 pages the first 31 entries of the child are set before the parent's last nine are
// protected.
TEST(fork, the_queue_is_flushed_when_it_is_full) {
  forked f("6.1", 40);
  std::vector<std::size_t> traps_and_batches;
  for (const recorded_call& c : f.g.xen.calls) {
    if (c.number == 0) {
      if (traps_and_batches.size() % 2 == 0) traps_and_batches.push_back(0);
      ++traps_and_batches.back();
    } else if (c.number == HYPERVISOR_mmu_update) {
      traps_and_batches.push_back(c.updates.size());
    }
  }
  EXPECT_THAT(traps_and_batches, ElementsAre(32, 31, 8, 9));
}

// l61-fork: the first to write clears, flushes and sets its entry to a copy; the other one then has the page for itself
// and makes it writable, which takes no flush. Both ways.
TEST(fork, the_first_to_write_copies_the_last_reuses) {
  forked f("6.1", 2);
  EXPECT_THAT(f.calls_of_write(f.parent, arena, 100),
              ElementsAre("ptep_clear_flush: trap L1[0]=0", "xen_flush_tlb_one_user: INVLPG_LOCAL 0x200000000000",
                          "xen_set_pte: mmu_update{L1[0]=?}"));
  EXPECT_EQ(flags_of(f.g.xen.calls).back(), 0x8000000000000867);
  f.g.k.switch_mm(0, f.child);
  EXPECT_THAT(f.calls_of_write(*f.child, arena, 200), ElementsAre("xen_set_pte: mmu_update{L1'[0]=page}"));
  EXPECT_THAT(flags_of(f.g.xen.calls), ElementsAre(0x8000000000000967));

  EXPECT_THAT(f.calls_of_write(*f.child, arena + PAGE_SIZE, 300),
              ElementsAre("ptep_clear_flush: trap L1'[1]=0", "xen_flush_tlb_one_user: INVLPG_LOCAL 0x200000001000",
                          "xen_set_pte: mmu_update{L1'[1]=?}"));
  f.g.k.switch_mm(0, &f.parent);
  EXPECT_THAT(f.calls_of_write(f.parent, arena + PAGE_SIZE, 400), ElementsAre("xen_set_pte: mmu_update{L1[1]=?}"));
  EXPECT_EQ(f.g.k.read(0, f.parent, arena), 100u);
  EXPECT_EQ(f.g.k.read(0, *f.child, arena), 200u);
  EXPECT_EQ(f.g.k.read(0, *f.child, arena + PAGE_SIZE), 300u);
  EXPECT_EQ(f.g.k.read(0, f.parent, arena + PAGE_SIZE), 400u);
}

// A page that three address spaces map is copied twice, and reused once; one that the others have unmapped is reused.
TEST(fork, grandchildren) {
  forked f("6.1", 2);
  f.g.k.switch_mm(0, f.child);
  mm& grandchild = f.g.k.fork(0, *f.child);
  EXPECT_THAT(f.calls_of_write(*f.child, arena, 2), ::testing::SizeIs(3));
  f.g.k.switch_mm(0, &f.parent);
  EXPECT_THAT(f.calls_of_write(f.parent, arena, 1), ::testing::SizeIs(3));
  f.g.k.switch_mm(0, &grandchild);
  EXPECT_THAT(f.calls_of_write(grandchild, arena, 3), ::testing::SizeIs(1));
  EXPECT_EQ(f.g.k.read(0, f.parent, arena), 1u);
  EXPECT_EQ(f.g.k.read(0, *f.child, arena), 2u);
  EXPECT_EQ(f.g.k.read(0, grandchild, arena), 3u);
  f.g.k.exit_mmap(0, *f.child);
  f.g.k.exit_mmap(0, f.parent);
  EXPECT_THAT(f.calls_of_write(grandchild, arena + PAGE_SIZE, 4), ::testing::SizeIs(1));
}

// vma_needs_copy: an area in which no page of its own was ever faulted in has nothing that faults would not bring back;
// the zero page in one that has is copied, and protected already.
TEST(fork, leaves_to_faults_what_they_bring_back) {
  running_guest g({});
  mm& parent = g.k.exec_mm(0);
  ASSERT_TRUE(g.k.mmap(0, parent, arena, 2 * MiB, prot::read_write));
  ASSERT_TRUE(g.k.mmap(0, parent, arena + 4 * MiB, 2 * MiB, prot::read_write));
  ASSERT_TRUE(g.k.read(0, parent, arena));
  ASSERT_TRUE(g.k.read(0, parent, arena + 4 * MiB));
  ASSERT_TRUE(g.k.write(0, parent, arena + 4 * MiB + PAGE_SIZE, 7));
  g.xen.calls.clear();
  mm& child = g.k.fork(0, parent);
  EXPECT_EQ(g.k.table_of(child, arena, 1), std::nullopt);
  EXPECT_THAT(describe(g.xen.calls, {})[0], "ptep_set_wrprotect: trap ?[1]=?");
  EXPECT_EQ(g.k.frame_of(child, arena + 4 * MiB), g.k.frame_of(parent, arena + 4 * MiB));
  g.k.switch_mm(0, &child);
  EXPECT_EQ(g.k.read(0, child, arena), 0u);
  EXPECT_EQ(g.k.read(0, child, arena + 4 * MiB + PAGE_SIZE), 7u);
}

// A parent on two CPUs is flushed on both, and on a kernel that runs several the protecting AND is locked.
TEST(fork, of_a_process_on_two_vcpus) {
  running_guest g({.vcpus = 2});
  mm& parent = g.k.exec_mm(0);
  g.k.switch_mm(1, &parent);
  ASSERT_TRUE(g.k.mmap(0, parent, arena, PAGE_SIZE, prot::read_write));
  ASSERT_TRUE(g.k.write(0, parent, arena, 7));
  g.xen.calls.clear();
  mm& child = g.k.fork(0, parent);
  EXPECT_EQ(describe(g.xen.calls, {}).front(), "ptep_set_wrprotect: trap ?[0]=?");
  EXPECT_EQ(g.xen.calls.front().store, access_kind::cmpxchg);
  EXPECT_EQ(describe(g.xen.calls, {}).back(), "xen_flush_tlb_multi: TLB_FLUSH_MULTI vcpus 0x3");
  EXPECT_EQ(g.k.read(1, child, arena), 7u);
}

/// A program with data and a heap, and the kernel's own pages beside them.
exec_image program() {
  return {.areas = {{.kind = image_area::text, .va = 0x400000, .len = 0x4000, .file = "program"},
                    {.kind = image_area::data, .va = 0x404000, .len = 0x4000, .file = "program", .pgoff = 4},
                    {.kind = image_area::vvar, .va = 0x7ffff7ff9000, .len = 0x4000},
                    {.kind = image_area::vdso, .va = 0x7ffff7ffd000, .len = 0x2000},
                    {.kind = image_area::stack, .va = 0x7ffffffde000, .len = 0x21000}}};
}

// Every kind of area: the text is left to faults, data of which one page was written are copied with the file's pages
// beside it, vvar is copied because it has no pages that could be found again, and the vdso is not. The heap goes on
// where the parent's ended, the stack may grow, and each has its own.
TEST(fork, of_a_whole_program) {
  running_guest g({});
  ASSERT_TRUE(g.k.create_file(0, "program", 0x8000));
  g.k.exit_mmap(0, *g.k.execve(0, program()).value());
  const auto before = g.counts();
  mm& parent = *g.k.execve(0, program()).value();
  for (const u64 va : {u64{0x400000}, u64{0x405000}, u64{0x7ffff7ff9000}, u64{0x7ffff7ffd000}})
    ASSERT_TRUE(g.k.read(0, parent, va));
  ASSERT_TRUE(g.k.write(0, parent, 0x404000, 40));
  ASSERT_TRUE(g.k.brk(0, parent, 0, 0x40a000));
  mm& child = g.k.fork(0, parent);
  EXPECT_EQ(g.k.frame_of(child, 0x400000), std::nullopt);
  EXPECT_EQ(g.k.frame_of(child, 0x405000), g.k.frame_of(parent, 0x405000));
  EXPECT_EQ(g.k.frame_of(child, 0x7ffff7ff9000), g.k.frame_of(parent, 0x7ffff7ff9000));
  EXPECT_EQ(g.k.frame_of(child, 0x7ffff7ffd000), std::nullopt);

  g.k.switch_mm(0, &child);
  EXPECT_EQ(g.k.read(0, child, 0x401000), 2u);
  EXPECT_TRUE(g.k.brk(0, child, 0, 0x40c000));
  for (const u64 va : {u64{0x404000}, u64{0x405000}, u64{0x40b000}, u64{0x7fffffff0000}})
    ASSERT_TRUE(g.k.write(0, child, va, 1));
  EXPECT_EQ(g.k.read(0, parent, 0x404000), 40u);
  EXPECT_EQ(g.k.read(0, parent, 0x405000), 6u);
  EXPECT_FALSE(g.k.read(0, parent, 0x40b000));
  g.k.exit_mmap(0, parent);
  g.k.exit_mmap(0, child);
  EXPECT_THAT(g.xen.refused(), IsEmpty());
  EXPECT_THAT(xen::audit(g.m), IsEmpty());
  EXPECT_EQ(g.counts(), before);
}

// What is not accessible is copied all the same, and what mprotect makes writable again is no more the parent's alone:
// the write copies.
TEST(fork, of_protected_memory) {
  for (const char* profile : {"6.1", "6.12"}) {
    running_guest g({.profile = find_kernel_profile(profile)});
    mm& parent = g.k.exec_mm(0);
    ASSERT_TRUE(g.k.mmap(0, parent, arena, 4 * PAGE_SIZE, prot::read_write));
    g.fill(parent, arena, 4);
    ASSERT_TRUE(g.k.mprotect(0, parent, arena, 2 * PAGE_SIZE, prot::none));
    mm& child = g.k.fork(0, parent);
    ASSERT_TRUE(g.k.mprotect(0, parent, arena, 2 * PAGE_SIZE, prot::read_write));
    g.fill(parent, arena, 4, 100);
    g.k.switch_mm(0, &child);
    EXPECT_FALSE(g.k.read(0, child, arena));
    ASSERT_TRUE(g.k.mprotect(0, child, arena, 2 * PAGE_SIZE, prot::read));
    EXPECT_EQ(g.wrong_pages(child, arena, 4), 0u);
    EXPECT_EQ(g.wrong_pages(parent, arena, 4, 100), 0u);
    EXPECT_THAT(g.xen.refused(), IsEmpty());
    EXPECT_THAT(xen::audit(g.m), IsEmpty());
  }
}

}  // namespace
}  // namespace pvmmu::guest
