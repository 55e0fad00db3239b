// Why something was refused is told at the place where it is decided, whether Xen prints it or not.

#include "tests/hypervisor-model/guest_fixture.h"

namespace pvmmu::xen {
namespace {

class reasons_test : public hypervisor_test, private reason_listener {
 protected:
  reasons_test() { m.tell_reasons_to(this); }
  void on_reason(message_site site, const std::string& words) override {
    reasons.push_back(fmt::format("{}:{} {}", site.file, site.line, words));
  }
  std::vector<std::string> told() { return std::exchange(reasons, {}); }

  tree t = d0.boot();
  std::vector<std::string> reasons;
};

// A release build prints none of this, and answers the same.
TEST_F(reasons_test, what_debug_builds_print) {
  const witness heard(m);
  EXPECT_EQ(d0.update(t.l1, 1, make_pte(t.l2, rw_flags)), EBUSY_);
  EXPECT_THAT(heard.messages, testing::IsEmpty());
  EXPECT_THAT(told(),
              testing::ElementsAre(testing::HasSubstr("arch/x86/mm.c:2940 Bad type (saw 4400000000000001 != exp e0"),
                                   "arch/x86/mm.c:1014 Could not get page type PGT_writable_page",
                                   testing::HasSubstr("arch/x86/mm.c:1040 Error getting mfn")));
}

// What no build prints.
TEST_F(reasons_test, what_nobody_prints) {
  EXPECT_EQ(d0.va_mapping(u64{1} << 40, 0), EINVAL_);
  EXPECT_THAT(told(), testing::ElementsAre("arch/x86/mm.c:4483 no L1 for va 0x10000000000 in the kernel's tables"));
  EXPECT_EQ(d0.pin(1, {m.config().frames}), EINVAL_);
  EXPECT_THAT(told(), testing::ElementsAre("arch/x86/include/asm/mm.h:414 mfn 01000 is no memory"));
  EXPECT_EQ(d0.pin(1, t.data), EINVAL_);
  EXPECT_EQ(d0.pin(1, d1.frame()), EINVAL_);
  EXPECT_THAT(told().back(), testing::HasSubstr("arch/x86/mm.c:2561 mfn"));
}

// Two may listen to a machine, and neither takes the other's place.
TEST_F(reasons_test, a_second_listener) {
  struct counter : event_sink {
    void on_event(const event&) override { ++events; }
    u64 events = 0;
  } second;
  m.overhear(&second);
  d0.update(t.l1, 0, 0);
  const u64 alone = std::exchange(second.events, 0);
  EXPECT_GT(alone, 0u);
  {
    const witness first(m);
    d0.update(t.l1, 0, make_pte(t.data, rw_flags));
    EXPECT_EQ(first.events.size(), second.events);
    m.overhear(nullptr);
    d0.update(t.l1, 0, 0);
    EXPECT_GT(first.events.size(), second.events);
  }
}

}  // namespace
}  // namespace pvmmu::xen
