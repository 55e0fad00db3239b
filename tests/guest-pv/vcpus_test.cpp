// Several vCPUs: who flushes whom, and who lets go of a dying address space.

#include "guest-pv/exec_image.h"
#include "tests/guest-pv/guest_fixture.h"

namespace pvmmu::guest {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> flushes_of_a_shared_unmap(std::string_view profile) {
  running_guest g({.profile = find_kernel_profile(profile), .vcpus = 3});
  mm& p = g.k.exec_mm(0);
  EXPECT_TRUE(g.k.mmap(0, p, 0x400000, 64 * PAGE_SIZE, prot::read_write));
  g.fill(p, 0x400000, 64);
  g.k.switch_mm(2, &p);
  g.xen.calls.clear();
  EXPECT_TRUE(g.k.munmap(0, p, 0x400000, 40 * PAGE_SIZE));
  std::vector<std::string> flushes;
  for (const std::string& line : describe(g.xen.calls, {})) {
    if (line.starts_with("xen_flush")) flushes.push_back(line);
  }
  return flushes;
}

// Since 5.13 one call flushes every CPU that has the address space, this one included.
TEST(vcpus, one_multi_flush_since_5_13) {
  EXPECT_THAT(flushes_of_a_shared_unmap("6.1"), ElementsAre("xen_flush_tlb_multi: TLB_FLUSH_MULTI vcpus 0x5"));
}

// Before, this CPU flushed itself and then the others.
TEST(vcpus, local_then_multi_before) {
  EXPECT_THAT(flushes_of_a_shared_unmap("5.0"),
              ElementsAre("xen_flush_tlb: TLB_FLUSH_LOCAL", "xen_flush_tlb_multi: TLB_FLUSH_MULTI vcpus 0x4"));
}

// A flush that the hypervisor makes for all CPUs does not advance this CPU's generation: its next flush, though of one
// page, is a full one and makes up for it (linux 6.1 tlb.c flush_tlb_func).
TEST(vcpus, a_local_flush_makes_up_for_a_remote_one) {
  running_guest g({.vcpus = 2});
  mm& p = g.k.exec_mm(0);
  ASSERT_TRUE(g.k.mmap(0, p, 0x400000, 4 * PAGE_SIZE, prot::read_write));
  g.fill(p, 0x400000, 4);
  const auto flush_of_unmapping = [&](u64 page) {
    g.xen.calls.clear();
    EXPECT_TRUE(g.k.munmap(0, p, 0x400000 + page * PAGE_SIZE, PAGE_SIZE));
    return describe(g.xen.calls, {}).back();
  };
  g.k.switch_mm(1, &p);
  EXPECT_EQ(flush_of_unmapping(0), "xen_flush_tlb_multi: INVLPG_MULTI 0x400000 vcpus 0x3");
  g.k.switch_mm(1, &g.k.exec_mm(1));
  EXPECT_EQ(flush_of_unmapping(1), "xen_flush_tlb: TLB_FLUSH_LOCAL");
  EXPECT_EQ(flush_of_unmapping(2), "xen_flush_tlb_one_user: INVLPG_LOCAL 0x402000");
}

// A CPU that runs a kernel thread on a process's tables is told to let go before they are unpinned; otherwise Xen would
// refuse to have them made writable.
TEST(vcpus, exit_takes_the_tables_from_lazy_cpus) {
  running_guest g({.vcpus = 2});
  mm& p = g.k.exec_mm(0);
  g.k.switch_mm(1, &p);
  g.k.switch_mm(1, nullptr);
  const frame_names names{{g.k.table_of(p, 0, 4).value(), "pgd"}};
  g.xen.calls.clear();
  g.k.exit_mmap(0, p);
  const auto calls = describe(g.xen.calls, names);
  ASSERT_FALSE(calls.empty());
  EXPECT_EQ(calls[0], "2 x xen_write_cr3: NEW_BASEPTR ? + NEW_USER_BASEPTR 0");
  EXPECT_THAT(g.xen.refused(), IsEmpty());
  EXPECT_THAT(xen::audit(g.m), IsEmpty());
}

// A thread whose CPU has gone to another process is no longer flushed; one whose CPU idles on its tables is, and is
// told to leave by the process's end on the other CPU, or by an exec there.
TEST(vcpus, a_cpu_that_idles_on_a_process) {
  running_guest g({.vcpus = 3});
  mm& p = g.k.exec_mm(0);
  ASSERT_TRUE(g.k.mmap(0, p, 0x400000, PAGE_SIZE, prot::read_write));
  ASSERT_TRUE(g.k.write(0, p, 0x400000, 7));
  g.k.switch_mm(1, &p);
  g.k.switch_mm(2, &p);
  g.k.switch_mm(1, nullptr);
  g.k.switch_mm(2, &g.k.exec_mm(2));
  g.xen.calls.clear();
  ASSERT_TRUE(g.k.mprotect(0, p, 0x400000, PAGE_SIZE, prot::read));
  EXPECT_EQ(describe(g.xen.calls, {}).back(), "xen_flush_tlb_multi: INVLPG_MULTI 0x400000 vcpus 0x3");
  g.xen.calls.clear();
  const exec_image image{.areas = {{.kind = image_area::stack, .va = 0x7ffffffde000, .len = 0x21000}}};
  ASSERT_TRUE(g.k.execve(0, image, &p));
  const auto calls = describe(g.xen.calls, {});
  EXPECT_THAT(calls[2], "xen_write_cr3: NEW_BASEPTR ? + NEW_USER_BASEPTR ?") << "the new program's";
  EXPECT_THAT(calls[3], "xen_write_cr3: NEW_BASEPTR ? + NEW_USER_BASEPTR 0") << "vCPU 1 leaves";
  EXPECT_THAT(calls[4], ::testing::StartsWith("__xen_pgd_unpin"));
  EXPECT_THAT(g.xen.refused(), IsEmpty());
  EXPECT_THAT(xen::audit(g.m), IsEmpty());
}

// What one vCPU writes, another reads.
TEST(vcpus, share_memory) {
  running_guest g({.vcpus = 2});
  mm& p = g.k.exec_mm(0);
  g.k.switch_mm(1, &p);
  ASSERT_TRUE(g.k.mmap(0, p, 0x400000, PAGE_SIZE, prot::read_write));
  ASSERT_TRUE(g.k.write(0, p, 0x400000, 7));
  EXPECT_EQ(g.k.read(1, p, 0x400000), 7u);
}

// A suspend pins the address spaces that are not, and the resume unpins exactly those.
TEST(vcpus, suspend_pins_what_is_not_pinned) {
  running_guest g({});
  mm& active = g.k.exec_mm(0);
  mm& inactive = g.k.mm_alloc();
  ASSERT_TRUE(g.k.mmap(0, inactive, 0x400000, PAGE_SIZE, prot::read_write));
  ASSERT_TRUE(g.k.write(0, inactive, 0x400000, 7));
  const frame_names names{
      {g.k.table_of(active, 0x400000, 4).value(), "active pgd"}, {g.k.table_of(inactive, 0x400000, 1).value(), "L1"},
      {g.k.table_of(inactive, 0x400000, 2).value(), "L2"},       {g.k.table_of(inactive, 0x400000, 3).value(), "L3"},
      {g.k.table_of(inactive, 0x400000, 4).value(), "pgd"},      {g.k.user_pgd_of(inactive).value(), "user pgd"}};
  const auto before = g.counts();
  g.xen.calls.clear();
  g.k.suspend(0);
  EXPECT_THAT(describe(g.xen.calls, names),
              ElementsAre("__xen_pgd_pin: multicall{va RO L3, va RO L2, va RO L1, PIN_L1_TABLE L1, va RO pgd +flush, "
                          "PIN_L4_TABLE pgd, va RO user pgd +flush, PIN_L4_TABLE user pgd}",
                          "xen_pv_pre_suspend: va 0xffffffffff57c000=0"));
  g.k.resume(0);
  EXPECT_THAT(g.xen.refused(), IsEmpty());
  EXPECT_EQ(g.counts(), before);
}

// Configurations that cannot be are refused with what was expected.
TEST(vcpus, more_than_the_domain_has) {
  running_guest g({});
  EXPECT_THROW(kernel(g.xen, g.info, {.vcpus = 2}), std::invalid_argument);
  EXPECT_THROW(kernel(g.xen, g.info, {.profile = nullptr}), std::invalid_argument);
}

}  // namespace
}  // namespace pvmmu::guest
