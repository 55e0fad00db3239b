// The vmalloc area: what is mapped there, what stays of it, and how an address space learns of it.

#include "guest-pv/vmalloc.h"

#include <array>

#include "tests/guest-pv/guest_fixture.h"

namespace pvmmu::guest {
namespace {

kernel_profile profile_of(std::string_view name, auto&& change) {
  kernel_profile p = *find_kernel_profile(name);
  change(p);
  return p;
}

u64 type_count(const running_guest& g, pfn_t page) { return g.m.page(g.k.pfn_to_mfn(page)).type_count(); }

// Frames that lie apart are mapped side by side, writable a second time, in the order in which they were given.
TEST(vmalloc, maps_frames_side_by_side) {
  running_guest g({});
  g.k.exec_mm(0);
  const std::array pages{g.k.alloc_page(), g.k.alloc_page()};
  for (u64 i = 0; i < pages.size(); ++i) {
    const u64 va = kernel::direct_map_va(pages[i]);
    ASSERT_TRUE(g.k.by_hand().access(0, {.kind = access_kind::write, .va = va, .value = i + 1}, {}));
  }
  const u64 va = g.k.vmap(0, pages);
  EXPECT_EQ(va, VMALLOC_START);
  EXPECT_EQ(g.k.kernel_read(0, va, false), 1u);
  EXPECT_EQ(g.k.kernel_read(0, va + PAGE_SIZE, false), 2u);
  EXPECT_EQ(type_count(g, pages[0]), 2u);
  EXPECT_TRUE(g.k.messages().empty());
}

// vunmap clears the entries at once; what was never mapped it refuses.
TEST(vmalloc, vunmap_leaves_no_entry) {
  running_guest g({});
  g.k.exec_mm(0);
  const std::array pages{g.k.alloc_page()};
  const u64 va = g.k.vmap(0, pages);
  ASSERT_TRUE(g.k.vunmap(0, va));
  EXPECT_EQ(type_count(g, pages[0]), 1u);
  EXPECT_FALSE(g.k.vunmap(0, va));
  EXPECT_THROW(g.k.kernel_read(0, va, false), guest_stopped);
}

// In 2.6.28 the entry stayed until a purge: the frame could not become a table, unless the purge came before the pin.
TEST(vmalloc, a_lazy_vunmap_keeps_a_frame_from_becoming_a_table) {
  for (const bool unmaps : {false, true}) {
    const kernel_profile old = profile_of("4.17", [&](kernel_profile& p) {
      p.vunmap_clears = vunmap_clearing::at_purge;
      p.unmaps_aliases_before_pin = unmaps;
    });
    running_guest g({.profile = &old});
    mm& a = g.k.exec_mm(0);
    ASSERT_TRUE(g.k.mmap(0, a, 0x40000000, 4 * MiB, prot::read_write));
    ASSERT_TRUE(g.k.write(0, a, 0x40200000, 1));  // the tables above
    const std::array pages{g.k.alloc_page()};
    ASSERT_TRUE(g.k.vunmap(0, g.k.vmap(0, pages)));
    EXPECT_EQ(type_count(g, pages[0]), 2u);

    g.k.free_page(pages[0]);
    if (!unmaps) {
      EXPECT_THROW(g.k.write(0, a, 0x40000000, 2), guest_stopped);
      EXPECT_THAT(g.k.messages(), ::testing::Contains(::testing::HasSubstr("1 of 2 multicall(s) failed")));
      continue;
    }
    ASSERT_TRUE(g.k.write(0, a, 0x40000000, 2));
    EXPECT_EQ(g.k.table_of(a, 0x40000000, 1), g.k.pfn_to_mfn(pages[0]));
    EXPECT_TRUE(g.k.messages().empty());
  }
}

// A pgd that was made before init_mm got the vmalloc area's slot takes it over by fault, where kernels do that …
TEST(vmalloc, a_pgd_learns_of_a_new_slot_by_fault) {
  running_guest g({.profile = find_kernel_profile("4.17")});
  mm& a = g.k.exec_mm(0);
  const std::array pages{g.k.alloc_page()};
  const u64 va = g.k.vmap(0, pages);
  EXPECT_FALSE(g.k.table_of(a, va, 3));
  EXPECT_EQ(g.k.kernel_read(0, va, true), 0u);
  EXPECT_TRUE(g.k.table_of(a, va, 3));
}

// … which in lazy MMU mode needs a flush: a queued entry is not there yet.
TEST(vmalloc, a_slot_that_stays_queued_is_a_bug) {
  const kernel_profile old = profile_of("4.17", [](kernel_profile& p) { p.vmalloc_fault_flushes = false; });
  running_guest g({.profile = &old});
  g.k.exec_mm(0);
  const std::array pages{g.k.alloc_page()};
  const u64 va = g.k.vmap(0, pages);
  try {
    g.k.kernel_read(0, va, true);
    FAIL() << "the kernel found an entry that is still queued";
  } catch (const guest_stopped& e) {
    EXPECT_EQ(e.why, guest_stopped::reason::bug);
  }
}

// Since 5.8 all pgds have the slot at once.
TEST(vmalloc, a_new_slot_is_in_every_pgd) {
  running_guest g({.profile = find_kernel_profile("6.1")});
  mm& pinned = g.k.exec_mm(0);
  mm& plain = g.k.mm_alloc();
  const std::array pages{g.k.alloc_page()};
  const u64 va = g.k.vmap(0, pages);
  EXPECT_TRUE(g.k.table_of(pinned, va, 3));
  EXPECT_TRUE(g.k.table_of(plain, va, 3));
  g.k.activate_mm(0, plain);
  EXPECT_TRUE(g.k.messages().empty());
}

}  // namespace
}  // namespace pvmmu::guest
