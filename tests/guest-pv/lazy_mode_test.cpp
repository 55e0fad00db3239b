// Lazy MMU sections within each other, by the rule of each kernel: linux 6.1 arch/x86/kernel/paravirt.c, 6.6
// arch/x86/include/asm/xen/hypervisor.h, 7.0 include/linux/pgtable.h.

#include "guest-pv/profile_items.h"
#include "tests/guest-pv/guest_fixture.h"

namespace pvmmu::guest {
namespace {

constexpr u64 from = 0x40000000;
constexpr u64 to = 0x80000000;

kernel_profile with(std::initializer_list<std::string_view> items) {
  kernel_profile p = *find_kernel_profile("6.1");
  for (const std::string_view item : items) EXPECT_TRUE(set_item(p, item));
  return p;
}

/// How many calls move 40 pages, from the first that sets an entry on; nothing where the kernel stops.
std::optional<u64> calls_of_a_move(const kernel_profile& p, moment_listener listener = {}) {
  running_guest g({.profile = &p});
  mm& a = g.k.exec_mm(0);
  EXPECT_TRUE(g.k.mmap(0, a, from, 40 * PAGE_SIZE, prot::read_write));
  g.fill(a, from, 40);
  u64 calls = 0;
  g.k.listen([&](moment m) {
    calls += m == moment::called;
    if (listener) listener(m);
  });
  try {
    EXPECT_TRUE(g.k.mremap(0, a, from, 40 * PAGE_SIZE, 40 * PAGE_SIZE, to));
  } catch (const guest_stopped& e) {
    EXPECT_EQ(e.why, guest_stopped::reason::bug);
    return {};
  }
  g.k.listen({});
  EXPECT_EQ(g.wrong_pages(a, to, 40), 0u);
  return calls;
}

// Up to 6.5 a section within another is the end. Counted, or tracked by the task, it is none, but each end of an inner
// one sends what is queued: 40 pages are 40 calls in the place of two.
TEST(lazy_mode, a_section_within_another) {
  const auto alone = calls_of_a_move(with({}));
  ASSERT_TRUE(alone);
  EXPECT_EQ(calls_of_a_move(with({"set_ptes_enters_lazy=true"})), std::nullopt);
  for (const char* rule : {"lazy_nesting=counted", "lazy_nesting=in_task", "lazy_nesting=tolerated"}) {
    EXPECT_EQ(calls_of_a_move(with({rule})), alone) << rule;
    EXPECT_EQ(calls_of_a_move(with({rule, "set_ptes_enters_lazy=true"})), *alone + 38) << rule;
  }
}

}  // namespace
}  // namespace pvmmu::guest
