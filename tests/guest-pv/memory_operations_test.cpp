// madvise, mlock, brk, stacks, and moves of unusual areas.

#include "tests/guest-pv/guest_fixture.h"

namespace pvmmu::guest {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr u64 arena = 0x200000000000;
constexpr u64 destination = 0x300000000000;

struct process {
  explicit process(std::string_view profile = "6.1")
      : g({.profile = find_kernel_profile(profile)}), p(g.k.exec_mm(0)) {}

  std::vector<std::string> calls() {
    frame_names names;
    for (const u64 va : {arena, destination}) {
      if (const auto table = g.k.table_of(p, va, 1)) names.emplace(*table, va == arena ? "L1" : "L1'");
    }
    auto made = describe(g.xen.calls, names);
    g.xen.calls.clear();
    return made;
  }
  u64 traps() const { return static_cast<u64>(std::ranges::count(g.xen.calls, u64{0}, &recorded_call::number)); }

  running_guest g;
  mm& p;
};

// MADV_DONTNEED clears entries and leaves tables, with one flush an area; what was there reads as zeroes.
TEST(madvise, dontneed) {
  process t;
  ASSERT_TRUE(t.g.k.mmap(0, t.p, arena, 2 * MiB, prot::read_write));
  t.g.fill(t.p, arena, 3);
  t.g.xen.calls.clear();
  EXPECT_TRUE(t.g.k.madvise_dontneed(0, t.p, arena + PAGE_SIZE, 2 * MiB - PAGE_SIZE));
  EXPECT_THAT(t.calls(), ElementsAre("ptep_get_and_clear: trap L1[1]=0", "ptep_get_and_clear: trap L1[2]=0",
                                     "xen_flush_tlb_one_user: INVLPG_LOCAL 0x200000001000",
                                     "xen_flush_tlb_one_user: INVLPG_LOCAL 0x200000002000"));
  EXPECT_EQ(t.g.k.read(0, t.p, arena), 1u);
  EXPECT_EQ(t.g.k.read(0, t.p, arena + PAGE_SIZE), 0u);
  EXPECT_EQ(t.g.k.madvise_dontneed(0, t.p, arena, 4 * MiB).error().error, 12) << "done, and a hole reported";
  EXPECT_EQ(t.g.k.read(0, t.p, arena), 0u);
}

// mlock faults in what is missing, for a write where that is private memory to be written; mprotect of what is locked
// copies at once what was only readable (linux 6.1 mprotect_fixup).
TEST(mlock, populates) {
  process t;
  ASSERT_TRUE(t.g.k.mmap(0, t.p, arena, 4 * PAGE_SIZE, prot::read_write));
  ASSERT_TRUE(t.g.k.read(0, t.p, arena));
  ASSERT_TRUE(t.g.k.write(0, t.p, arena + PAGE_SIZE, 2));
  t.g.xen.calls.clear();
  EXPECT_TRUE(t.g.k.mlock(0, t.p, arena, 4 * PAGE_SIZE));
  EXPECT_THAT(t.calls(),
              ElementsAre("ptep_clear_flush: trap L1[0]=0", "xen_flush_tlb_one_user: INVLPG_LOCAL 0x200000000000",
                          "xen_set_pte: mmu_update{L1[0]=?}", "xen_set_pte: mmu_update{L1[2]=?}",
                          "xen_set_pte: mmu_update{L1[3]=?}"));
  EXPECT_EQ(t.g.k.madvise_dontneed(0, t.p, arena, PAGE_SIZE).error().error, 22);

  mapping locked(prot::read);
  locked.locked = true;
  ASSERT_TRUE(t.g.k.mmap(0, t.p, destination, PAGE_SIZE, locked));
  t.g.xen.calls.clear();
  EXPECT_TRUE(t.g.k.mprotect(0, t.p, destination, PAGE_SIZE, prot::read_write));
  EXPECT_THAT(t.calls(),
              ElementsAre("xen_ptep_modify_prot_commit: mmu_update{L1'[0]=? keeping A/D}",
                          "ptep_clear_flush: trap L1'[0]=0", "xen_flush_tlb_one_user: INVLPG_LOCAL 0x300000000000",
                          "xen_set_pte: mmu_update{L1'[0]=?}", "xen_flush_tlb_one_user: INVLPG_LOCAL 0x300000000000"));
  EXPECT_TRUE(t.g.k.munlock(0, t.p, destination, PAGE_SIZE));
}

// What is locked stays so where mremap moves it: what the move adds is faulted in.
TEST(mlock, moves_that_grow) {
  process t;
  ASSERT_TRUE(t.g.k.mmap(0, t.p, arena, 2 * PAGE_SIZE, prot::read_write));
  ASSERT_TRUE(t.g.k.mlock(0, t.p, arena, 2 * PAGE_SIZE));
  ASSERT_TRUE(t.g.k.mremap(0, t.p, arena, 2 * PAGE_SIZE, 4 * PAGE_SIZE, destination));
  ASSERT_TRUE(t.g.k.mremap(0, t.p, destination, 4 * PAGE_SIZE, 5 * PAGE_SIZE, {}));
  for (u64 i = 0; i < 5; ++i) EXPECT_TRUE(t.g.k.frame_of(t.p, destination + i * PAGE_SIZE)) << i;
}

// Growing in place needs room behind the area; shrinking gives the tail back.
TEST(mremap, in_place) {
  process t;
  ASSERT_TRUE(t.g.k.mmap(0, t.p, arena, 2 * MiB, prot::read_write));
  ASSERT_TRUE(t.g.k.mmap(0, t.p, arena + 6 * MiB, 2 * MiB, prot::read));
  EXPECT_EQ(t.g.k.mremap(0, t.p, arena, 2 * MiB, 8 * MiB, {}).error().error, 12);
  ASSERT_TRUE(t.g.k.mremap(0, t.p, arena, 2 * MiB, 6 * MiB, {}));
  t.g.fill(t.p, arena + 4 * MiB, 1);
  t.g.xen.calls.clear();
  ASSERT_TRUE(t.g.k.mremap(0, t.p, arena, 6 * MiB, 2 * MiB, {}));
  EXPECT_EQ(t.traps(), 1u);
  EXPECT_FALSE(t.g.k.read(0, t.p, arena + 4 * MiB));
}

// What overlaps is refused before anything is asked for; what is too long for its area, after the destination is gone
// (linux 6.1 mremap_to, vma_to_resize).
TEST(mremap, refusals) {
  process t;
  ASSERT_TRUE(t.g.k.mmap(0, t.p, arena, 4 * MiB, prot::read_write));
  ASSERT_TRUE(t.g.k.mmap(0, t.p, destination, MiB, prot::read_write));
  t.g.fill(t.p, arena, 2);
  t.g.fill(t.p, destination, 1);
  t.g.xen.calls.clear();
  for (const u64 to : {arena + 2 * MiB, arena + PAGE_SIZE, arena - 2 * MiB}) {
    EXPECT_EQ(t.g.k.mremap(0, t.p, arena, 4 * MiB, 4 * MiB, to).error().error, 22);
  }
  EXPECT_EQ(t.g.k.mremap(0, t.p, arena + 4 * MiB, MiB, MiB, destination).error().error, 14);
  EXPECT_THAT(t.calls(), IsEmpty());
  EXPECT_EQ(t.g.k.mremap(0, t.p, arena, 6 * MiB, 6 * MiB, destination).error().error, 14);
  EXPECT_FALSE(t.g.k.read(0, t.p, destination));
}

// Entries that move one by one are marked soft-dirty, the zero page's too (move_soft_dirty_pte); entries of protected
// memory move as they are, and flush like others.
TEST(mremap, moves_zero_pages_and_protected_ones) {
  process t;
  ASSERT_TRUE(t.g.k.mmap(0, t.p, arena, 4 * PAGE_SIZE, prot::read_write));
  ASSERT_TRUE(t.g.k.read(0, t.p, arena));
  t.g.xen.calls.clear();
  ASSERT_TRUE(t.g.k.mremap(0, t.p, arena, 4 * PAGE_SIZE, 4 * PAGE_SIZE, destination));
  const auto moved = std::ranges::find(t.g.xen.calls, "xen_set_pte", &recorded_call::caller);
  ASSERT_NE(moved, t.g.xen.calls.end());
  EXPECT_EQ(moved->updates[0].val & ~PTE_ADDR_MASK, 0x8000000000000b25) << "with the global bit that Xen had added";

  ASSERT_TRUE(t.g.k.write(0, t.p, destination + PAGE_SIZE, 7));
  ASSERT_TRUE(t.g.k.mprotect(0, t.p, destination, 4 * PAGE_SIZE, prot::none));
  ASSERT_TRUE(t.g.k.mremap(0, t.p, destination, 4 * PAGE_SIZE, 4 * PAGE_SIZE, arena));
  EXPECT_FALSE(t.g.k.read(0, t.p, arena + PAGE_SIZE));
  ASSERT_TRUE(t.g.k.mprotect(0, t.p, arena, 4 * PAGE_SIZE, prot::read_write));
  EXPECT_EQ(t.g.k.read(0, t.p, arena + PAGE_SIZE), 7u);
}

// 1 GiB moves as one L3 entry since 5.11; the L2 is made read-only once more, like an L1 (facts of 36c9b5929b70). In
// 5.11 to 5.13 the new entry is a plain store to a table that Xen has typed: the kernel's end.
TEST(mremap, of_a_gigabyte) {
  for (std::string_view profile : {"6.1", "6.12"}) {
    process t(profile);
    ASSERT_TRUE(t.g.k.mmap(0, t.p, arena, GiB, prot::read_write));
    ASSERT_TRUE(t.g.k.mmap(0, t.p, destination + GiB, PAGE_SIZE, prot::read_write));
    t.g.fill(t.p, arena + 513 * PAGE_SIZE, 2);
    t.g.fill(t.p, destination + GiB, 1);
    frame_names names{{t.g.k.table_of(t.p, arena, 3).value(), "L3"},
                      {t.g.k.table_of(t.p, destination, 3).value(), "L3'"},
                      {t.g.k.table_of(t.p, arena, 2).value(), "L2"},
                      {t.g.k.table_of(t.p, arena, 4).value(), "pgd"},
                      {t.g.k.user_pgd_of(t.p).value(), "user pgd"}};
    t.g.xen.calls.clear();
    ASSERT_TRUE(t.g.k.mremap(0, t.p, arena, GiB, GiB, destination));
    EXPECT_THAT(describe(t.g.xen.calls, names),
                ElementsAre("xen_set_pud: mmu_update{L3[0]=0}", "xen_alloc_ptpage: va RO L2",
                            "xen_set_pud: mmu_update{L3'[0]=L2}", "xen_flush_tlb: TLB_FLUSH_LOCAL",
                            "xen_set_p4d: mmu_update{pgd[64]=0, user pgd[64]=0}", "xen_release_ptpage: va RW L3",
                            "xen_flush_tlb_one_user: INVLPG_LOCAL 0x200000000000"))
        << profile;
    EXPECT_EQ(t.g.wrong_pages(t.p, destination + 513 * PAGE_SIZE, 2), 0u);
  }
  process t("5.11");
  ASSERT_TRUE(t.g.k.mmap(0, t.p, arena, GiB, prot::read_write));
  t.g.fill(t.p, arena, 1);
  EXPECT_THROW(static_cast<void>(t.g.k.mremap(0, t.p, arena, GiB, GiB, destination)), guest_stopped);
}

// The heap grows where nothing is in the way, and gives back what it shrinks by.
TEST(brk, grows_and_shrinks) {
  process t;
  ASSERT_TRUE(t.g.k.brk(0, t.p, arena, arena + 8 * PAGE_SIZE - 5));
  t.g.fill(t.p, arena, 8);
  t.g.xen.calls.clear();
  EXPECT_TRUE(t.g.k.brk(0, t.p, 0, arena + 2 * PAGE_SIZE));
  EXPECT_EQ(t.traps(), 6u);
  EXPECT_FALSE(t.g.k.read(0, t.p, arena + 2 * PAGE_SIZE));
  EXPECT_EQ(t.g.k.brk(0, t.p, 0, arena - 1).error().error, 22);
  ASSERT_TRUE(t.g.k.mmap(0, t.p, arena + 4 * PAGE_SIZE, PAGE_SIZE, prot::read));
  EXPECT_EQ(t.g.k.brk(0, t.p, 0, arena + 4 * PAGE_SIZE).error().error, 12);
  EXPECT_TRUE(t.g.k.brk(0, t.p, 0, arena + 3 * PAGE_SIZE));
}

// A stack grows to where it is touched, but neither next to what lies below nor beyond 8 MiB (RLIMIT_STACK).
TEST(stack, grows_down) {
  process t;
  mapping stack;
  stack.grows_down = true;
  ASSERT_TRUE(t.g.k.mmap(0, t.p, arena, 2 * PAGE_SIZE, stack));
  EXPECT_TRUE(t.g.k.write(0, t.p, arena - 40 * PAGE_SIZE, 1));
  EXPECT_TRUE(t.g.k.write(0, t.p, arena - 20 * PAGE_SIZE, 2)) << "within the area now";
  EXPECT_FALSE(t.g.k.write(0, t.p, arena - 9 * MiB, 1));
  ASSERT_TRUE(t.g.k.mmap(0, t.p, arena - 2 * MiB, PAGE_SIZE, prot::read_write));
  EXPECT_FALSE(t.g.k.write(0, t.p, arena - 2 * MiB + 256 * PAGE_SIZE, 1));
  EXPECT_TRUE(t.g.k.write(0, t.p, arena - 2 * MiB + 257 * PAGE_SIZE, 1));
}

// A hole ends mprotect, when what lies before it is protected and flushed.
TEST(mprotect, holes) {
  process t;
  ASSERT_TRUE(t.g.k.mmap(0, t.p, arena, 2 * PAGE_SIZE, prot::read_write));
  ASSERT_TRUE(t.g.k.mmap(0, t.p, arena + 3 * PAGE_SIZE, PAGE_SIZE, prot::read_write));
  t.g.fill(t.p, arena, 2);
  t.g.fill(t.p, arena + 3 * PAGE_SIZE, 1);
  t.g.xen.calls.clear();
  EXPECT_EQ(t.g.k.mprotect(0, t.p, arena, 4 * PAGE_SIZE, prot::read).error().error, 12);
  EXPECT_THAT(t.calls(),
              ElementsAre("xen_ptep_modify_prot_commit: mmu_update{L1[0]=? keeping A/D, L1[1]=? keeping A/D}",
                          "xen_flush_tlb_one_user: INVLPG_LOCAL 0x200000000000",
                          "xen_flush_tlb_one_user: INVLPG_LOCAL 0x200000001000"));
  EXPECT_FALSE(t.g.k.write(0, t.p, arena, 1));
  EXPECT_TRUE(t.g.k.write(0, t.p, arena + 3 * PAGE_SIZE, 1));
}

// PROT_NONE leaves entries that are not present but hold their page: the frame inverted, no execute permission withheld
// (linux 6.1 PAGE_NONE, pgtable-invert.h). Nothing has to be flushed on the way back.
TEST(mprotect, none) {
  process t;
  ASSERT_TRUE(t.g.k.mmap(0, t.p, arena, PAGE_SIZE, prot::read_write));
  t.g.fill(t.p, arena, 1);
  t.g.xen.calls.clear();
  ASSERT_TRUE(t.g.k.mprotect(0, t.p, arena, PAGE_SIZE, prot::none));
  ASSERT_EQ(t.g.xen.calls.size(), 2u);
  EXPECT_EQ(t.g.xen.calls[0].updates[0].val & 0xfff0000000000fff, 0x960u);
  t.g.xen.calls.clear();
  ASSERT_TRUE(t.g.k.mprotect(0, t.p, arena, PAGE_SIZE, prot::read_write));
  EXPECT_THAT(t.calls(), ElementsAre("xen_ptep_modify_prot_commit: mmu_update{L1[0]=? keeping A/D}"));
  EXPECT_EQ(t.g.wrong_pages(t.p, arena, 1), 0u);
}

// Before 5.19 mprotect flushes each area as a whole, also where nothing of it was present (4a18419f71cd).
TEST(mprotect, flushes_of_older_kernels) {
  process t("5.14");
  ASSERT_TRUE(t.g.k.mmap(0, t.p, arena, 2 * PAGE_SIZE, prot::read_write));
  t.g.fill(t.p, arena, 1);
  ASSERT_TRUE(t.g.k.mprotect(0, t.p, arena, 2 * PAGE_SIZE, prot::none));
  t.g.xen.calls.clear();
  ASSERT_TRUE(t.g.k.mprotect(0, t.p, arena, 2 * PAGE_SIZE, prot::read_write));
  EXPECT_THAT(t.calls(), ElementsAre("xen_ptep_modify_prot_commit: mmu_update{L1[0]=? keeping A/D}",
                                     "xen_flush_tlb_one_user: INVLPG_LOCAL 0x200000000000",
                                     "xen_flush_tlb_one_user: INVLPG_LOCAL 0x200000001000"));
}

// What a fork has shared is not the process's own again when the child ends, but with the next write: until then
// mprotect gives no write access back (PageAnonExclusive, linux 6.1 can_change_pte_writable).
TEST(mprotect, of_what_fork_had_shared) {
  for (std::string_view profile : {"6.1", "6.12"}) {
    process t(profile);
    ASSERT_TRUE(t.g.k.mmap(0, t.p, arena, PAGE_SIZE, prot::read_write));
    t.g.fill(t.p, arena, 1);
    t.g.k.exit_mmap(0, t.g.k.fork(0, t.p));
    for (const u64 writable : {u64{0}, PAGE_RW}) {
      ASSERT_TRUE(t.g.k.mprotect(0, t.p, arena, PAGE_SIZE, prot::read));
      t.g.xen.calls.clear();
      ASSERT_TRUE(t.g.k.mprotect(0, t.p, arena, PAGE_SIZE, prot::read_write));
      EXPECT_EQ(t.g.xen.calls.at(0).updates.at(0).val & PAGE_RW, writable) << profile;
      t.g.fill(t.p, arena, 1);
    }
  }
}

/// Everything that memory can go through, in one process that forks.
void live(running_guest& g) {
  mm& p = g.k.exec_mm(0);
  mapping file(prot::read_write), shared, stack, locked(prot::read);
  file.kind = vma_kind::file;
  file.file = "data";
  shared.kind = vma_kind::shared;
  stack.grows_down = true;
  locked.locked = true;
  u64 at = arena;
  for (const mapping& what : {mapping(), file, shared, stack, locked}) {
    ASSERT_TRUE(g.k.mmap(0, p, at, 20 * PAGE_SIZE, what));
    ASSERT_TRUE(g.k.read(0, p, at + 3 * PAGE_SIZE));
    ASSERT_EQ(g.k.write(0, p, at + 4 * PAGE_SIZE, 1).has_value(), may_write(what.access));
    at += 64 * PAGE_SIZE;
  }
  mm& child = g.k.fork(0, p);
  ASSERT_FALSE(g.k.write(0, p, arena + 98 * PAGE_SIZE, 1)) << "shared memory does not grow down";
  for (mm* each : {&child, &p}) {
    ASSERT_TRUE(g.k.mprotect(0, *each, arena, 20 * PAGE_SIZE, prot::none));
    ASSERT_TRUE(g.k.mremap(0, *each, arena, 20 * PAGE_SIZE, 30 * PAGE_SIZE, destination + PAGE_SIZE));
    ASSERT_TRUE(g.k.mprotect(0, *each, destination + PAGE_SIZE, 30 * PAGE_SIZE, prot::read_write));
    ASSERT_TRUE(g.k.mlock(0, *each, destination + PAGE_SIZE, 30 * PAGE_SIZE));
    ASSERT_EQ(g.k.read(0, *each, destination + 5 * PAGE_SIZE), 1u);
    ASSERT_TRUE(g.k.mremap(0, *each, arena + 128 * PAGE_SIZE, 20 * PAGE_SIZE, 20 * PAGE_SIZE, arena + 3 * MiB));
    ASSERT_EQ(g.k.read(0, *each, arena + 3 * MiB + 4 * PAGE_SIZE), 1u);
    ASSERT_TRUE(g.k.madvise_dontneed(0, *each, arena + 64 * PAGE_SIZE, 20 * PAGE_SIZE));
    ASSERT_EQ(g.k.read(0, *each, arena + 68 * PAGE_SIZE), 5u) << "the file's page again";
    ASSERT_TRUE(g.k.brk(0, *each, 0x400000, 0x800000));
    g.fill(*each, 0x500000, 3);
    ASSERT_TRUE(g.k.brk(0, *each, 0, 0x501000));
    ASSERT_TRUE(g.k.mmap(0, *each, arena, 4 * PAGE_SIZE, prot::read_write));
    ASSERT_TRUE(g.k.uffdio_register(0, *each, arena, 4 * PAGE_SIZE));
    ASSERT_TRUE(g.k.uffdio_copy(0, *each, arena, 0x500000, PAGE_SIZE));
    static_cast<void>(g.k.uffdio_move(0, *each, arena + PAGE_SIZE, 0x500000, PAGE_SIZE));
    ASSERT_TRUE(g.k.munmap(0, *each, destination + 2 * PAGE_SIZE, 3 * PAGE_SIZE));
    EXPECT_THAT(xen::audit(g.m), IsEmpty());
  }
  g.k.exit_mmap(0, p);
  g.k.exit_mmap(0, child);
}

// Under every kernel, with and without split locks: Xen refuses nothing but what is known, its state is sound, and in
// the end every frame counts what it counted before.
TEST(memory_operations, leave_nothing_behind) {
  for (const kernel_profile& profile : kernel_profiles()) {
    for (const u32 nr_cpus : {8192u, 2u}) {
      SCOPED_TRACE(fmt::format("{} with NR_CPUS {}", profile.name, nr_cpus));
      running_guest g({.profile = &profile, .nr_cpus = nr_cpus});
      ASSERT_TRUE(g.k.create_file(0, "data", 20 * PAGE_SIZE));
      live(g);
      const auto before = g.counts();
      g.xen.calls.clear();
      live(g);
      EXPECT_EQ(g.counts(), before);
      if (profile.name == "mail" || profile.name == "5.14") continue;
      EXPECT_THAT(g.xen.refused(), IsEmpty());
      EXPECT_THAT(g.k.messages(), IsEmpty());
    }
  }
}

}  // namespace
}  // namespace pvmmu::guest
