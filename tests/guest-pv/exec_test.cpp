// execve, from the argument strings on a stack that nobody has loaded to the tables above the program's own.

#include "guest-pv/exec_image.h"
#include "tests/guest-pv/guest_fixture.h"

namespace pvmmu::guest {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr u64 stack_page = 0x7fffffffe000;

/// A static program without data, as a kernel with norandmaps loads it.
exec_image text_only() {
  return {.areas = {{.kind = image_area::text, .va = 0x400000, .len = 0x3000, .file = "program"},
                    {.kind = image_area::vvar, .va = 0x7ffff7ff9000, .len = 0x4000},
                    {.kind = image_area::vdso, .va = 0x7ffff7ffd000, .len = 0x2000},
                    {.kind = image_area::stack, .va = 0x7ffffffde000, .len = 0x21000}}};
}

/// Names of the tables on the way to `va`: "L1 suffix" …
void name_tables(const kernel& k, const mm& p, u64 va, const std::string& suffix, frame_names& names) {
  for (unsigned level = 1; level <= 3; ++level) {
    if (const auto table = k.table_of(p, va, level)) names.emplace(*table, fmt::format("L{}{}", level, suffix));
  }
  names.emplace(k.table_of(p, va, 4).value(), "pgd");
  names.emplace(k.user_pgd_of(p).value(), "user pgd");
}

// l61-exec without its move of the stack, which norandmaps leaves out: the strings' page is set in a table that is not
// pinned yet; the tree is pinned and loaded; the stack's entry is written again by mprotect_fixup, and flushed. Nothing
// of the program is there before it runs.
TEST(exec, of_a_program_without_data) {
  running_guest g({.profile = find_kernel_profile("6.1")});
  ASSERT_TRUE(g.k.create_file(0, "program", 0x3000));
  g.xen.calls.clear();
  mm& p = *g.k.execve(0, text_only()).value();
  frame_names names;
  name_tables(g.k, p, stack_page, "", names);
  EXPECT_THAT(describe(g.xen.calls, names),
              ElementsAre("xen_set_pte: mmu_update{L1[510]=?}",
                          "__xen_pgd_pin: multicall{va RO L3, va RO L2, va RO L1, PIN_L1_TABLE L1, va RO pgd +flush, "
                          "PIN_L4_TABLE pgd, va RO user pgd +flush, PIN_L4_TABLE user pgd}",
                          "xen_write_cr3: NEW_BASEPTR pgd + NEW_USER_BASEPTR user pgd",
                          "xen_ptep_modify_prot_commit: mmu_update{L1[510]=? keeping A/D}",
                          "xen_flush_tlb_one_user: INVLPG_LOCAL 0x7fffffffe000"));
  EXPECT_EQ(g.k.read(0, p, 0x401000), 2u);
  EXPECT_TRUE(g.k.write(0, p, stack_page - 0x1000, 7)) << "the stack has room below";
  EXPECT_FALSE(g.k.write(0, p, 0x401000, 7));
}

/// The static glibc program of l61-exec, and where ASLR put its stack.
exec_image glibc_program() {
  return {.areas = {{.kind = image_area::text, .va = 0x400000, .len = 0xa3000, .file = "program"},
                    {.kind = image_area::data, .va = 0x4a3000, .len = 0x7000, .file = "program", .pgoff = 0xa3},
                    {.kind = image_area::bss, .va = 0x4a9480, .len = 0x6200},
                    {.kind = image_area::stack, .va = 0x7ffc65c34000, .len = 0x21000}},
          .strings = 0x800,
          .tables = 0x900};
}

// l61-exec: the stack's page moves down into tables of its own, and the old ones are freed; the rest of the data's last
// page, which the bss begins in, is cleared; the tables above the stack reach into the page below. The
// frames of the tables that were freed come back as the data's.
TEST(exec, moves_the_stack_and_clears_what_follows_the_data) {
  running_guest g({.profile = find_kernel_profile("6.1")});
  ASSERT_TRUE(g.k.create_file(0, "program", 0xaa000));
  g.xen.calls.clear();
  mm& p = *g.k.execve(0, glibc_program()).value();
  frame_names names;
  name_tables(g.k, p, 0x7ffc65c54000, "", names);
  name_tables(g.k, p, 0x4a9000, "'", names);
  auto calls = describe(g.xen.calls, names);
  ASSERT_GE(calls.size(), 4u);
  calls.erase(calls.begin(), calls.begin() + 4);
  EXPECT_THAT(
      calls,
      ElementsAre("xen_flush_tlb_one_user: INVLPG_LOCAL 0x7fffffffe000", "xen_alloc_ptpage: va RO L2",
                  "xen_set_pud: mmu_update{L3[497]=L2}", "xen_alloc_ptpage: multicall{va RO L1, PIN_L1_TABLE L1}",
                  "xen_set_pmd: mmu_update{L2[302]=L1}", "ptep_get_and_clear: trap L2'[510]=0",
                  "xen_set_pte: mmu_update{L1[84]=?}", "xen_flush_tlb_one_user: INVLPG_LOCAL 0x7fffffffe000",
                  "xen_set_pmd: mmu_update{L3'[511]=0}", "xen_release_ptpage: multicall{UNPIN_TABLE L2', va RW L2'}",
                  "xen_set_pud: mmu_update{L3[511]=0}", "xen_release_ptpage: va RW L3'",
                  "xen_flush_tlb: TLB_FLUSH_LOCAL", "xen_alloc_ptpage: va RO L3'",
                  "xen_set_p4d: mmu_update{pgd[0]=L3', user pgd[0]=L3'}", "xen_alloc_ptpage: va RO L2'",
                  "xen_set_pud: mmu_update{L3'[0]=L2'}", "xen_alloc_ptpage: multicall{va RO L1', PIN_L1_TABLE L1'}",
                  "xen_set_pmd: mmu_update{L2'[2]=L1'}", "xen_set_pte: mmu_update{L1'[169]=?}",
                  "xen_set_pte: mmu_update{L1[83]=?}"));
  EXPECT_EQ(g.k.read(0, p, 0x4a5000), 0xa6u) << "the data are the file's";
  EXPECT_EQ(g.k.read(0, p, 0x4ab000), 0u);
  EXPECT_TRUE(g.k.brk(0, p, 0, 0x4b1000));
  EXPECT_THAT(g.xen.refused(), IsEmpty());
}

// exec in a child of fork: the child's own copy of the parent ends once the new program's tables are loaded, and before
// anything of it is set up. The text is shared with the parent, which has it from the same file.
TEST(exec, ends_the_program_that_it_replaces) {
  running_guest g({});
  ASSERT_TRUE(g.k.create_file(0, "program", 0x3000));
  g.k.exit_mmap(0, *g.k.execve(0, text_only()).value());
  const auto before = g.counts();
  mm& parent = *g.k.execve(0, text_only()).value();
  EXPECT_EQ(g.k.read(0, parent, 0x400000), 1u);
  mm& child = g.k.fork(0, parent);
  g.k.switch_mm(0, &child);
  frame_names names;
  name_tables(g.k, child, stack_page, "", names);
  g.xen.calls.clear();
  mm& next = *g.k.execve(0, text_only(), &child).value();
  EXPECT_THAT(describe(g.xen.calls, names)[3],
              "__xen_pgd_unpin: multicall{UNPIN_TABLE pgd + UNPIN_TABLE user pgd, va RW user pgd +flush, va RW L3, "
              "va RW L2, UNPIN_TABLE L1, va RW L1, va RW pgd +flush}");
  EXPECT_EQ(g.k.read(0, next, 0x400000), 1u);
  EXPECT_EQ(g.k.frame_of(next, 0x400000), g.k.frame_of(parent, 0x400000));
  g.k.exit_mmap(0, next);
  g.k.exit_mmap(0, parent);
  EXPECT_THAT(g.xen.refused(), IsEmpty());
  EXPECT_THAT(xen::audit(g.m), IsEmpty());
  EXPECT_EQ(g.counts(), before);
}

// Images that no file can have are refused, and nothing is left of the new process.
TEST(exec, of_what_cannot_be) {
  running_guest g({});
  exec_image image = text_only();
  EXPECT_EQ(g.k.execve(0, image).error().error, 2) << "no such file";
  ASSERT_TRUE(g.k.create_file(0, "program", 0x3000));
  image.areas[0].va = 0x400001;
  EXPECT_EQ(g.k.execve(0, image).error().error, 22);
  image.areas.pop_back();
  EXPECT_EQ(g.k.execve(0, image).error().error, 22) << "no stack";
  EXPECT_THAT(xen::audit(g.m), IsEmpty());
}

}  // namespace
}  // namespace pvmmu::guest
