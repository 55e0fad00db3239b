// KFENCE's guard pages in a domU, where Xen looks at entries that are not present.

#include "guest-pv/kfence.h"

#include "tests/guest-pv/guest_fixture.h"

namespace pvmmu::guest {
namespace {

constexpr access_request load_of(u64 va) { return {.kind = access_kind::read, .va = va}; }

// A page that KFENCE has taken away faults, and is there again, with what lay in it, once it was given back.
TEST(kfence, takes_a_page_away_and_gives_it_back) {
  running_guest g({.vcpus = 1}, domain_kind::domU);
  const pfn_t page = g.k.alloc_page();
  const u64 va = kernel::direct_map_va(page);
  ASSERT_TRUE(g.k.by_hand().access(0, {.kind = access_kind::write, .va = va, .value = 42}, {}));

  g.k.kfence_protect(0, page);
  EXPECT_TRUE(g.k.by_hand().access(0, load_of(va), {})->fault);
  g.k.kfence_unprotect(0, page);
  EXPECT_EQ(g.k.by_hand().access(0, load_of(va), {})->value, 42u);
}

// What is so already is left alone: KFENCE may protect a page twice.
TEST(kfence, makes_no_call_where_nothing_changes) {
  running_guest g({.vcpus = 1}, domain_kind::domU);
  const pfn_t page = g.k.alloc_page();
  g.xen.calls.clear();
  g.k.kfence_unprotect(0, page);
  EXPECT_TRUE(g.xen.calls.empty());
  g.k.kfence_protect(0, page);
  const std::size_t calls = g.xen.calls.size();
  g.k.kfence_protect(0, page);
  EXPECT_EQ(g.xen.calls.size(), calls);
}

// With the frame number as it was, Xen crashes a domU for the entry; a dom0 it does not suspect.
TEST(kfence, an_entry_that_keeps_its_frame_number_is_the_end_of_a_domU) {
  kernel_profile keeps = *find_kernel_profile("6.1");
  keeps.kfence_inverts = false;
  running_guest unprivileged({.profile = &keeps}, domain_kind::domU);
  try {
    unprivileged.k.kfence_protect(0, unprivileged.k.alloc_page());
    FAIL() << "Xen let it pass";
  } catch (const guest_stopped& e) {
    EXPECT_EQ(e.why, guest_stopped::reason::domain_crashed);
  }
  running_guest dom0({.profile = &keeps}, domain_kind::dom0);
  EXPECT_NO_THROW(dom0.k.kfence_protect(0, dom0.k.alloc_page()));
}

}  // namespace
}  // namespace pvmmu::guest
