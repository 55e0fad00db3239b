// Whole lives of processes, under every kernel, with and without split page-table locks.

#include "tests/guest-pv/guest_fixture.h"

namespace pvmmu::guest {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct life : ::testing::TestWithParam<std::tuple<std::string_view, u32>> {
  kernel_config config() const {
    return {.profile = find_kernel_profile(std::get<0>(GetParam())), .nr_cpus = std::get<1>(GetParam())};
  }
  bool is(std::string_view profile, bool split) const {
    return std::get<0>(GetParam()) == profile && config().split_ptlocks() == split;
  }
};

std::vector<std::string_view> profile_names() {
  std::vector<std::string_view> names;
  for (const kernel_profile& p : kernel_profiles()) names.push_back(p.name);
  return names;
}

std::string name_of(const ::testing::TestParamInfo<life::ParamType>& param) {
  std::string name(std::get<0>(param.param));
  for (char& c : name) {
    if (c == '.' || c == '-') c = '_';
  }
  return name + (std::get<1>(param.param) >= 4 ? "_split" : "_not_split");
}

INSTANTIATE_TEST_SUITE_P(every_kernel, life,
                         ::testing::Combine(::testing::ValuesIn(profile_names()), ::testing::Values(8192, 2)), name_of);

// exec, faults, moves by whole tables and by entries, protection, unmapping and exit: the memory's contents survive,
// Xen refuses nothing but what is known, its state is sound, and in the end every frame counts what it counted before.
TEST_P(life, leaves_nothing_behind) {
  running_guest g(config());
  {
    mm& first = g.k.exec_mm(0);  // so that the allocator has frames of every kind to reuse
    ASSERT_TRUE(g.k.mmap(0, first, 0x400000, 8 * MiB, prot::read_write));
    g.fill(first, 0x400000, 2048);
    g.k.exit_mmap(0, first);
  }
  const auto before = g.counts();

  mm& p = g.k.exec_mm(0);
  ASSERT_TRUE(g.k.mmap(0, p, 0x200000000000, 4 * MiB, prot::read_write));
  g.fill(p, 0x200000000000, 1024);
  ASSERT_TRUE(g.k.mremap(0, p, 0x200000000000, 4 * MiB, 4 * MiB, 0x300000000000));
  EXPECT_EQ(g.wrong_pages(p, 0x300000000000, 1024), 0u);
  ASSERT_TRUE(g.k.mremap(0, p, 0x300000100000, 1 * MiB, 2 * MiB, 0x40003000));
  EXPECT_EQ(g.wrong_pages(p, 0x40003000, 256, 257), 0u);
  EXPECT_EQ(g.k.read(0, p, 0x40003000 + MiB), 0u) << "what mremap added is new memory";
  ASSERT_TRUE(g.k.mprotect(0, p, 0x40003000, MiB, prot::read));
  EXPECT_FALSE(g.k.write(0, p, 0x40003000, 1));
  EXPECT_EQ(g.wrong_pages(p, 0x40003000, 256, 257), 0u);
  ASSERT_TRUE(g.k.mprotect(0, p, 0x40003000, MiB, prot::none));
  EXPECT_FALSE(g.k.read(0, p, 0x40003000));
  ASSERT_TRUE(g.k.mprotect(0, p, 0x40003000, MiB, prot::read_write));
  EXPECT_EQ(g.wrong_pages(p, 0x40003000, 256, 257), 0u);
  g.fill(p, 0x40003000, 256, 1000);
  EXPECT_EQ(g.wrong_pages(p, 0x40003000, 256, 1000), 0u);
  ASSERT_TRUE(g.k.munmap(0, p, 0x40003000, MiB));
  EXPECT_FALSE(g.k.read(0, p, 0x40003000));
  EXPECT_THAT(xen::audit(g.m), IsEmpty());
  g.k.exit_mmap(0, p);

  EXPECT_THAT(xen::audit(g.m), IsEmpty());
  EXPECT_EQ(g.counts(), before);
  if (is("5.14", true)) {
    EXPECT_THAT(g.xen.refused(), ::testing::Each("xen_alloc_ptpage: PIN_L1_TABLE ? = -22"));
  } else if (is("mail", false)) {
    EXPECT_THAT(g.xen.refused(), ::testing::Each(::testing::HasSubstr("UNPIN_TABLE ? = -22")));
  } else {
    EXPECT_THAT(g.xen.refused(), IsEmpty());
    EXPECT_THAT(g.k.messages(), IsEmpty());
  }
}

// Three generations that write to the memory they share, and end in an order that is not theirs: each sees what it
// wrote, and in the end every frame counts what it counted before.
TEST_P(life, of_a_family) {
  running_guest g(config());
  g.k.exit_mmap(0, g.k.exec_mm(0));
  const auto before = g.counts();
  mm& parent = g.k.exec_mm(0);
  ASSERT_TRUE(g.k.mmap(0, parent, 0x200000000000, 4 * MiB, prot::read_write));
  g.fill(parent, 0x200000000000, 600);
  mm& child = g.k.fork(0, parent);
  g.fill(parent, 0x200000000000 + 100 * PAGE_SIZE, 100, 1000);
  g.k.switch_mm(0, &child);
  EXPECT_EQ(g.wrong_pages(child, 0x200000000000, 600), 0u);
  mm& grandchild = g.k.fork(0, child);
  g.fill(child, 0x200000000000 + 50 * PAGE_SIZE, 100, 2000);
  g.fill(grandchild, 0x200000000000 + 40 * PAGE_SIZE, 20, 3000);
  EXPECT_THAT(xen::audit(g.m), IsEmpty());
  EXPECT_EQ(g.wrong_pages(grandchild, 0x200000000000 + 60 * PAGE_SIZE, 540, 61), 0u);
  EXPECT_EQ(g.wrong_pages(grandchild, 0x200000000000 + 40 * PAGE_SIZE, 20, 3000), 0u);
  g.k.exit_mmap(0, child);
  EXPECT_EQ(g.wrong_pages(parent, 0x200000000000, 100), 0u);
  EXPECT_EQ(g.wrong_pages(parent, 0x200000000000 + 100 * PAGE_SIZE, 100, 1000), 0u);
  g.k.exit_mmap(0, parent);
  g.k.switch_mm(0, &grandchild);
  EXPECT_EQ(g.wrong_pages(grandchild, 0x200000000000, 40), 0u);
  g.fill(grandchild, 0x200000000000, 600, 4000);
  g.k.exit_mmap(0, grandchild);
  EXPECT_THAT(xen::audit(g.m), IsEmpty());
  EXPECT_EQ(g.counts(), before);
  if (!is("5.14", true) && !is("mail", false)) {
    EXPECT_THAT(g.xen.refused(), IsEmpty());
  }
}

// The same in a domU, under a debug Xen: refused nowhere, though entries that are absent may not look like frames
// there.
TEST(process_life, in_a_domU_under_a_debug_Xen) {
  running_guest g({}, domain_kind::domU, true);
  mm& p = g.k.exec_mm(0);
  ASSERT_TRUE(g.k.mmap(0, p, 0x200000000000, 4 * MiB, prot::read_write));
  g.fill(p, 0x200000000000, 1024);
  ASSERT_TRUE(g.k.mprotect(0, p, 0x200000000000, MiB, prot::none));
  ASSERT_TRUE(g.k.mremap(0, p, 0x200000000000, MiB, MiB, 0x300000000000));
  ASSERT_TRUE(g.k.mprotect(0, p, 0x300000000000, MiB, prot::read_write));
  EXPECT_EQ(g.wrong_pages(p, 0x300000000000, 256), 0u);
  g.k.exit_mmap(0, p);
  EXPECT_THAT(g.xen.refused(), IsEmpty());
  EXPECT_THAT(xen::audit(g.m), IsEmpty());
}

// A process's tables are pinned at exec in the walk's order, each before those it refers to and the pgd last, and
// unpinned at exit before its memory is taken down, which then takes no call at all.
TEST(process_life, exec_of_a_filled_address_space_and_exit) {
  running_guest g({});
  mm& p = g.k.mm_alloc();
  ASSERT_TRUE(g.k.mmap(0, p, 0x7f0000000000, 16 * PAGE_SIZE, prot::read_write));
  g.fill(p, 0x7f0000000000, 16);
  frame_names names{{g.k.table_of(p, 0x7f0000000000, 1).value(), "L1"},
                    {g.k.table_of(p, 0x7f0000000000, 2).value(), "L2"},
                    {g.k.table_of(p, 0x7f0000000000, 3).value(), "L3"},
                    {g.k.table_of(p, 0x7f0000000000, 4).value(), "pgd"},
                    {g.k.user_pgd_of(p).value(), "user pgd"}};
  g.xen.calls.clear();
  g.k.activate_mm(0, p);
  EXPECT_THAT(describe(g.xen.calls, names),
              ElementsAre("__xen_pgd_pin: multicall{va RO L3, va RO L2, va RO L1, PIN_L1_TABLE L1, va RO pgd +flush, "
                          "PIN_L4_TABLE pgd, va RO user pgd +flush, PIN_L4_TABLE user pgd}",
                          "xen_write_cr3: NEW_BASEPTR pgd + NEW_USER_BASEPTR user pgd"));
  EXPECT_EQ(g.wrong_pages(p, 0x7f0000000000, 16), 0u);

  g.xen.calls.clear();
  g.k.exit_mmap(0, p);
  EXPECT_THAT(describe(g.xen.calls, names),
              ElementsAre("xen_write_cr3: NEW_BASEPTR ? + NEW_USER_BASEPTR 0",
                          "__xen_pgd_unpin: multicall{UNPIN_TABLE pgd + UNPIN_TABLE user pgd, va RW user pgd +flush, "
                          "va RW L3, va RW L2, UNPIN_TABLE L1, va RW L1, va RW pgd +flush}"));
}

// The first write to a page: the fault's tables in the order of Linux's populate functions, then the page's entry, as
// in recordings of the real kernel.
TEST(process_life, first_touch) {
  running_guest g({});
  mm& p = g.k.exec_mm(0);
  ASSERT_TRUE(g.k.mmap(0, p, 0x200000000000, 2 * MiB, prot::read_write));
  g.xen.calls.clear();
  ASSERT_TRUE(g.k.write(0, p, 0x200000000000, 7));
  const frame_names names{
      {g.k.table_of(p, 0x200000000000, 1).value(), "L1"}, {g.k.table_of(p, 0x200000000000, 2).value(), "L2"},
      {g.k.table_of(p, 0x200000000000, 3).value(), "L3"}, {g.k.table_of(p, 0x200000000000, 4).value(), "pgd"},
      {g.k.user_pgd_of(p).value(), "user pgd"},           {g.k.frame_of(p, 0x200000000000).value(), "page"}};
  EXPECT_THAT(describe(g.xen.calls, names),
              ElementsAre("xen_alloc_ptpage: va RO L3", "xen_set_p4d: mmu_update{pgd[64]=L3, user pgd[64]=L3}",
                          "xen_alloc_ptpage: va RO L2", "xen_set_pud: mmu_update{L3[0]=L2}",
                          "xen_alloc_ptpage: multicall{va RO L1, PIN_L1_TABLE L1}", "xen_set_pmd: mmu_update{L2[0]=L1}",
                          "xen_set_pte: mmu_update{L1[0]=page}"));
}

// Reading untouched memory maps the zero page; the write that follows clears that entry by a trapped xchg, flushes, and
// sets the new one, as in recordings of the real kernel.
TEST(process_life, write_after_read) {
  running_guest g({});
  mm& p = g.k.exec_mm(0);
  ASSERT_TRUE(g.k.mmap(0, p, 0x400000, PAGE_SIZE, prot::read_write));
  EXPECT_EQ(g.k.read(0, p, 0x400000), 0u);
  g.xen.calls.clear();
  ASSERT_TRUE(g.k.write(0, p, 0x400000, 7));
  const frame_names names{{g.k.table_of(p, 0x400000, 1).value(), "L1"}, {g.k.frame_of(p, 0x400000).value(), "page"}};
  EXPECT_THAT(describe(g.xen.calls, names),
              ElementsAre("ptep_clear_flush: trap L1[0]=0", "xen_flush_tlb_one_user: INVLPG_LOCAL 0x400000",
                          "xen_set_pte: mmu_update{L1[0]=page}"));
  EXPECT_EQ(g.k.read(0, p, 0x400000), 7u);
}

// Linux does not look at what set_pte's hypercall answers: where Xen refuses, the process faults for ever. Once Xen
// agrees, it goes on: the kernel takes nothing for written that was not.
TEST(process_life, a_refused_page_is_no_page) {
  running_guest g({});
  mm& p = g.k.exec_mm(0);
  ASSERT_TRUE(g.k.mmap(0, p, 0x400000, PAGE_SIZE, prot::read_write));
  g.xen.refuse_calls_of = "xen_set_pte";
  const auto refused = g.k.write(0, p, 0x400000, 7);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().text, ::testing::HasSubstr("faults for ever"));
  g.xen.refuse_calls_of.clear();
  EXPECT_TRUE(g.k.write(0, p, 0x400000, 7));
  EXPECT_EQ(g.k.read(0, p, 0x400000), 7u);
}

// Calls made by hand between the kernel's own: it sees what they wrote. Here an L2 entry is moved by hand, and the
// kernel finds the page at the new place, unmaps it there, and gives back all that it took.
TEST(process_life, calls_by_hand_are_seen_by_the_kernel) {
  running_guest g({});
  const auto before = [&] {
    g.k.exit_mmap(0, g.k.exec_mm(0));
    return g.counts();
  }();
  mm& p = g.k.exec_mm(0);
  ASSERT_TRUE(g.k.mmap(0, p, 0x400000, 4 * MiB, prot::read_write));
  ASSERT_TRUE(g.k.write(0, p, 0x400000, 7));
  const mfn_t l2 = g.k.table_of(p, 0x400000, 2).value();
  const mfn_t l1 = g.k.table_of(p, 0x400000, 1).value();
  const std::array<mmu_update_t, 2> move{mmu_update_t{mfn_to_maddr(l2, 2 * 8).bytes, 0},
                                         mmu_update_t{mfn_to_maddr(l2, 3 * 8).bytes, make_pte(l1, 0x67)}};
  hypercall call = mmu_update_call{.ureqs = {.entries = move}, .count = 2};
  ASSERT_EQ(g.k.by_hand().call(0, call, "a test").value(), 0);
  EXPECT_EQ(g.k.table_of(p, 0x400000, 1), std::nullopt);
  EXPECT_EQ(g.k.table_of(p, 0x600000, 1), l1);
  EXPECT_EQ(g.k.read(0, p, 0x600000), 7u);
  g.k.exit_mmap(0, p);
  EXPECT_THAT(g.xen.refused(), IsEmpty());
  EXPECT_EQ(g.counts(), before);
}

// Requests that Linux refuses are errors that say what was expected; the process goes on.
TEST(process_life, bad_requests) {
  running_guest g({});
  mm& p = g.k.exec_mm(0);
  ASSERT_TRUE(g.k.mmap(0, p, 0x400000, 2 * PAGE_SIZE, prot::read_write));
  EXPECT_EQ(g.k.mmap(0, p, 0x400001, PAGE_SIZE, prot::read).error().error, 22);
  EXPECT_EQ(g.k.mmap(0, p, 0x400000, 0, prot::read).error().error, 22);
  EXPECT_EQ(g.k.mmap(0, p, u64{1} << 47, PAGE_SIZE, prot::read).error().error, 12);
  EXPECT_EQ(g.k.mmap(0, p, PAGE_SIZE, ~PAGE_OFFSET_MASK, prot::read).error().error, 12);
  EXPECT_EQ(g.k.mremap(0, p, 0x400000, PAGE_SIZE, PAGE_SIZE, 0x400000).error().error, 22) << "overlap";
  EXPECT_EQ(g.k.mremap(0, p, 0x400000, 3 * PAGE_SIZE, PAGE_SIZE * 3, 0x800000).error().error, 14);
  EXPECT_EQ(g.k.mprotect(0, p, 0x400000, 3 * PAGE_SIZE, prot::read).error().error, 12);
  EXPECT_FALSE(g.k.write(0, p, 0x400000, 1)) << "protected up to the hole";
  EXPECT_EQ(g.k.read(0, p, 0x402000).error().error, 11);
  EXPECT_EQ(g.k.read(0, p, 0x400004).error().error, 22);
  EXPECT_TRUE(g.k.read(0, p, 0x400000));
}

// 100 L1, 3 L2 and 2 L3 are pinned in 7 hypercalls with split page-table locks and in 4 without: a batch has 32
// entries, and a pin is one beside its mapping.
TEST(process_life, hypercalls_of_a_large_pin) {
  for (const auto& [nr_cpus, calls] : {std::pair{8192u, 7u}, std::pair{2u, 4u}}) {
    running_guest g({.nr_cpus = nr_cpus});
    mm& p = g.k.mm_alloc();
    for (u64 i = 0; i < 100; ++i) {
      const u64 l3 = i / 50 * (u64{1} << 39), l2 = i < 25 ? 0 : u64{1} << 30;
      const u64 va = l3 + l2 + 0x400000 + i * 2 * MiB;
      ASSERT_TRUE(g.k.mmap(0, p, va, PAGE_SIZE, prot::read_write));
      ASSERT_TRUE(g.k.write(0, p, va, 1));
    }
    g.xen.calls.clear();
    g.k.activate_mm(0, p);
    EXPECT_EQ(g.xen.calls.size(), calls + 1) << "the pin's, and NEW_BASEPTR";
  }
}

// What the mail of 2018 says happens without split page-table locks: an L1 that was allocated after activation, and so
// never pinned, is unpinned when the process ends. Under its own profile Xen refuses that; no real kernel asks it.
TEST(process_life, the_mails_unpin_of_what_was_never_pinned) {
  for (const kernel_profile& profile : kernel_profiles()) {
    running_guest g({.profile = &profile, .nr_cpus = 2});
    mm& p = g.k.exec_mm(0);
    ASSERT_TRUE(g.k.mmap(0, p, 0x400000, PAGE_SIZE, prot::read_write));
    ASSERT_TRUE(g.k.write(0, p, 0x400000, 1));
    const frame_names names{{g.k.table_of(p, 0x400000, 1).value(), "L1"}};
    g.k.exit_mmap(0, p);
    if (profile.name == "mail") {
      EXPECT_THAT(g.xen.refused(names), ElementsAre("__xen_pgd_unpin: UNPIN_TABLE L1 = -22"));
    } else {
      EXPECT_THAT(g.xen.refused(names), IsEmpty()) << profile.name;
    }
  }
}

// Moving 1 GiB moves one L3 entry: 5.15 and later as for an L2 entry.
TEST(process_life, moving_1_GiB) {
  running_guest g({});
  mm& p = g.k.exec_mm(0);
  ASSERT_TRUE(g.k.mmap(0, p, 16 * GiB, GiB, prot::read_write));
  ASSERT_TRUE(g.k.write(0, p, 16 * GiB + 5 * PAGE_SIZE, 42));
  g.xen.calls.clear();
  ASSERT_TRUE(g.k.mremap(0, p, 16 * GiB, GiB, GiB, 32 * GiB));
  const frame_names names{{g.k.table_of(p, 32 * GiB, 2).value(), "L2"}, {g.k.table_of(p, 32 * GiB, 3).value(), "L3"}};
  auto calls = describe(g.xen.calls, names);
  calls.resize(4);
  EXPECT_THAT(calls, ElementsAre("xen_set_pud: mmu_update{L3[16]=0}", "xen_alloc_ptpage: va RO L2",
                                 "xen_set_pud: mmu_update{L3[32]=L2}", "xen_flush_tlb: TLB_FLUSH_LOCAL"));
  EXPECT_EQ(g.k.read(0, p, 32 * GiB + 5 * PAGE_SIZE), 42u);
}

// 5.11 to 5.13 set the new L3 entry with a plain store: Xen emulates stores to L1s only, and the kernel dies of the
// fault.
TEST(process_life, moving_1_GiB_under_5_11_is_an_oops) {
  running_guest g({.profile = find_kernel_profile("5.11")});
  mm& p = g.k.exec_mm(0);
  ASSERT_TRUE(g.k.mmap(0, p, 16 * GiB, GiB, prot::read_write));
  ASSERT_TRUE(g.k.write(0, p, 16 * GiB, 42));
  try {
    EXPECT_FALSE(g.k.mremap(0, p, 16 * GiB, GiB, GiB, 32 * GiB)) << "the store went through";
  } catch (const guest_stopped& stopped) {
    EXPECT_EQ(stopped.why, guest_stopped::reason::oops);
  }
  EXPECT_THAT(g.k.messages(), ElementsAre(::testing::HasSubstr("unable to handle page fault"),
                                          "#PF: supervisor write access in kernel mode",
                                          "#PF: error_code(0x0003) - permissions violation"));
}

}  // namespace
}  // namespace pvmmu::guest
