// Huge pages, which Xen does not give to PV guests.

#include "guest-pv/hugetlb.h"

#include <cerrno>

#include "tests/guest-pv/guest_fixture.h"

namespace pvmmu::guest {
namespace {

mapping huge_shared() {
  mapping what(prot::read_write);
  what.kind = vma_kind::shared;
  what.huge = true;
  return what;
}

// A kernel that knows that Xen has none lets no process ask for them.
TEST(hugetlb, is_not_there) {
  running_guest g({});
  mm& a = g.k.exec_mm(0);
  const auto mapped = g.k.mmap(0, a, 0x40000000, huge_page_size, huge_shared());
  ASSERT_FALSE(mapped);
  EXPECT_EQ(mapped.error().error, ENOENT);
}

// One that does not know sets an entry that Xen refuses, and the access faults for ever. All the same the process can
// end, and every frame's counts are as they were before it.
TEST(hugetlb, faults_for_ever_where_the_kernel_tries_it) {
  kernel_profile tries = *find_kernel_profile("4.17");
  tries.hugetlb_in_pv = true;
  running_guest g({.profile = &tries});
  g.k.exit_mmap(0, g.k.exec_mm(0));
  const auto before = g.counts();
  mm& a = g.k.exec_mm(0);
  ASSERT_TRUE(g.k.mmap(0, a, 0x40000000, huge_page_size, huge_shared()));
  const auto written = g.k.write(0, a, 0x40000000, 1);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().error, faults_for_ever);
  g.k.exit_mmap(0, a);
  EXPECT_EQ(g.counts(), before);
}

// Half a huge page cannot be mapped.
TEST(hugetlb, is_mapped_in_whole_pages) {
  kernel_profile tries = *find_kernel_profile("4.17");
  tries.hugetlb_in_pv = true;
  running_guest g({.profile = &tries});
  const auto mapped = g.k.mmap(0, g.k.exec_mm(0), 0x40000000, MiB, huge_shared());
  ASSERT_FALSE(mapped);
  EXPECT_EQ(mapped.error().error, EINVAL);
}

}  // namespace
}  // namespace pvmmu::guest
