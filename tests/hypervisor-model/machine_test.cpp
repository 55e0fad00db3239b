// The machine: memory that costs nothing until touched, frames that come and go.

#include "hypervisor-model/machine/machine.h"

#include <unistd.h>

#include <chrono>
#include <fstream>

#include "hypervisor-model/domain_builder.h"
#include "tests/hypervisor-model/guest_fixture.h"

namespace pvmmu::xen {
namespace {

u64 resident_bytes() {
  u64 total = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * static_cast<u64>(::sysconf(_SC_PAGESIZE));
}

// A machine of 1 TiB takes memory for what its domain touches, not for what it could.
TEST(machine_test, a_terabyte_costs_what_is_touched) {
  const u64 before = resident_bytes();
  const auto start = std::chrono::steady_clock::now();
  machine m({.frames = u64{1} << 28});
  const start_info info = build_domain(m, {.pages = 4096}).value();
  const auto took = std::chrono::steady_clock::now() - start;
  EXPECT_EQ(describe(audit(m)), "");
  EXPECT_LT(resident_bytes() - before, u64{64} << 20) << "64 MiB would be the whole of 16 MiB four times over";
  EXPECT_LT(took, std::chrono::seconds(1));
  EXPECT_EQ(info.nr_pages, 4096u);
}

// Sizes that no machine has are refused with the reason.
TEST(machine_test, impossible_sizes) {
  for (const u64 frames : {u64{0}, u64{1023}, (u64{1} << 28) + 1, ~u64{0}}) {
    EXPECT_THROW(machine({.frames = frames}), std::invalid_argument) << frames;
  }
}

// A machine gives out all its frames, then none; freed ones come again.
TEST(machine_test, frames_run_out_and_come_back) {
  machine m({.frames = 1024});
  domain& d = m.add_domain(domain_kind::dom0);
  u64 frames = 0;
  while (m.alloc_domheap_page(d)) ++frames;
  EXPECT_EQ(d.tot_pages, frames);
  m.remove_domain(0);
  domain& next = m.add_domain(domain_kind::dom0);
  u64 again = 0;
  while (m.alloc_domheap_page(next)) ++again;
  EXPECT_EQ(again, frames);
}

// A frame that was given back and that somebody else then uses, as a real run tells, is not handed out again.
TEST(machine_test, a_frame_that_was_given_back_can_be_adopted) {
  machine m({.frames = 1024});
  domain& d = m.add_domain(domain_kind::dom0);
  std::vector<mfn_t> frames;
  for (int i = 0; i < 3; ++i) frames.push_back(m.alloc_domheap_page(d).value());
  for (const mfn_t mfn : frames) {
    m.set_count_info(m.page(mfn), 0);
    m.free_domheap_page(m.page(mfn));
  }
  m.adopt_page(d, frames[1]);
  EXPECT_EQ(m.alloc_domheap_page(d), frames[2]);
  EXPECT_EQ(m.alloc_domheap_page(d), frames[0]);
}

}  // namespace
}  // namespace pvmmu::xen
