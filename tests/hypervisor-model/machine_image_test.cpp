// A machine made of an image is the machine that the image was made of: nothing that guests do tells them apart.

#include "hypervisor-model/machine_image.h"

#include <cstdlib>
#include <tuple>

#include "hypervisor-model/domain_builder.h"
#include "tests/hypervisor-model/guest_fixture.h"
#include "tests/hypervisor-model/random_guests.h"

namespace pvmmu::xen {
namespace {

constexpr int runs = 60;
constexpr u32 steps_before = 150;
constexpr u32 steps_behind = 60;

u64 first_seed() {
  const char* const given = std::getenv("PVMMU_SEED");
  const u64 seed = given ? std::strtoull(given, nullptr, 0) : std::random_device{}();
  fmt::print("PVMMU_SEED={}\n", seed);
  return seed;
}

/// Every event with all that it says.
class story : public event_sink {
 public:
  explicit story(machine& m) : m_(m) { m_.listen(this); }
  ~story() override { m_.listen(nullptr); }
  void on_event(const event& e) override {
    told.emplace_back(e.kind, e.slot, e.mfn, e.old, e.value, std::string(e.text));
  }

  std::vector<std::tuple<event_kind, u32, mfn_t, u64, u64, std::string>> told{};

 private:
  machine& m_;
};

// At any moment of what random guests do, under preemption: the machine made of an image equals the first one, and goes
// on like it. Each run prints its seed; PVMMU_SEED=n replays one.
TEST(machine_image_test, a_restored_machine_goes_on_like_the_first) {
  const u64 base = first_seed();
  for (u64 seed = base, last = base + (std::getenv("PVMMU_SEED") ? 1 : runs); seed < last; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    seeded_choices from(seed);
    random_guests first(from, {.frames = 1024, .debug_build = seed % 4 == 3, .tlb = seed % 3 == 0});
    random_preemption hurry(seed, std::array<u32, 4>{2, 20, 150, 700}[seed / 4 % 4]);
    first.m.preempt_by(&hurry);
    for (u32 i = seeded_choices(~seed).below(steps_before); i > 0; --i) first.step();

    const machine_image image = save(first.m);
    seeded_choices from_too = from;
    random_guests second(first, restore(image), from_too);
    ASSERT_TRUE(save(second.m) == image);
    ASSERT_EQ(describe(audit(second.m)), describe(audit(first.m)));
    random_preemption hurry_too = hurry;
    second.m.preempt_by(&hurry_too);
    story of_first(first.m), of_second(second.m);
    for (u32 i = 0; i < steps_behind; ++i) {
      first.step();
      second.step();
      ASSERT_EQ(first.seen, second.seen) << "step " << i << " behind the image: " << first.last;
      ASSERT_EQ(of_first.told, of_second.told) << "step " << i << " behind the image: " << first.last;
    }
    EXPECT_TRUE(save(first.m) == save(second.m));
    EXPECT_FALSE(save(first.m) == image);
  }
}

// A call may be preempted when the image is made: what Xen remembers of it is in there.
TEST(machine_image_test, the_middle_of_a_preempted_call) {
  seeded_choices from(first_seed());
  random_guests* guests = nullptr;
  int preempted = 0;
  random_guests made(from, {.frames = 1024}, [&] {
    if (!guests || !guests->m.current->hcall_preempted) return;
    const machine_image image = save(guests->m);
    ASSERT_TRUE(save(*restore(image)) == image);
    ++preempted;
  });
  guests = &made;
  random_preemption schedule(1, 2);
  made.m.preempt_by(&schedule);
  for (int i = 0; i < 100; ++i) made.step();
  EXPECT_GT(preempted, 0);
}

class machine_image_of : public hypervisor_test {};

// What no call changes but who sets a machine up, and what only repeats of real machines have.
TEST_F(machine_image_of, what_no_guest_changes) {
  m.machphys_mfns = {{7}, {8}};
  m.mmio_ro_ranges = {{{1}, {2}}};
  m.xen_l4_slots[3] = 0x1063;
  m.lost_references = {{5}};
  const std::vector<mfn_t> offered{{1000}, INVALID_MFN};
  m.offer_frames(offered);
  d1.d.iomem_caps.push_back({{9}, {10}});
  d1.d.crashed = true;
  const machine_image image = save(m);
  const auto again = restore(image);
  EXPECT_TRUE(save(*again) == image);
  EXPECT_EQ(again->machphys_mfns, m.machphys_mfns);
  EXPECT_EQ(again->mmio_ro_ranges, m.mmio_ro_ranges);
  EXPECT_EQ(again->xen_l4_slots, m.xen_l4_slots);
  EXPECT_EQ(again->lost_references, m.lost_references);
  EXPECT_EQ(again->alloc_heap_pages(0), m.alloc_heap_pages(0)) << "what was offered";
  EXPECT_EQ(again->alloc_heap_pages(0), m.alloc_heap_pages(0)) << "and there is no such frame";
  EXPECT_TRUE(again->find_domain(1)->crashed);
  EXPECT_TRUE(again->find_domain(1)->iomem_access_permitted({10}));
  m.lost_references.clear();
}

// What a new machine has and the first one lost is not there afterwards.
TEST_F(machine_image_of, memory_that_was_cleared) {
  m.page({255}) = {};
  for (u64 n = 128; n < 256; ++n) m.page({n}) = {};  // a page of the frame table that is all zero
  const machine_image image = save(m);
  const auto again = restore(image);
  EXPECT_TRUE(save(*again) == image);
  EXPECT_EQ(again->page({200}).count_info, 0u);
}

// Each change of the state is one of the image: no part of it is left out of the comparison.
TEST_F(machine_image_of, every_change_tells) {
  const tree t = d0.boot();
  const machine_image image = save(m);
  const auto differs = [&](auto change, auto change_back) {
    change();
    const bool different = !(save(m) == image);
    change_back();
    return different && save(m) == image;
  };
  EXPECT_TRUE(differs([&] { ++m.page(t.l1).aux; }, [&] { --m.page(t.l1).aux; }));
  EXPECT_TRUE(differs([&] { m.words(t.data)[511] = 1; }, [&] { m.words(t.data)[511] = 0; }));
  EXPECT_TRUE(differs([&] { m.set_gpfn_from_mfn({4095}, 1); }, [&] { m.set_gpfn_from_mfn({4095}, 0); }));
  EXPECT_TRUE(differs([&] { ++d0.d.max_pages; }, [&] { --d0.d.max_pages; }));
  EXPECT_TRUE(differs([&] { ++d1.cpu(1).ldt_ents; }, [&] { --d1.cpu(1).ldt_ents; }));
  EXPECT_TRUE(differs([&] { d1.cpu().old_guest_table = &m.page(t.l1); }, [&] { d1.cpu().old_guest_table = nullptr; }));
  EXPECT_TRUE(differs([&] { ++m.dom_io().nr_l4_pages; }, [&] { --m.dom_io().nr_l4_pages; }));
}

// Images of one machine share what did not change in between.
TEST(machine_images_test, share_memory) {
  machine m({.frames = u64{1} << 18});
  build_domain(m, {.pages = 4096}).value();
  const machine_image before = save(m);
  ASSERT_GT(before.ram.pages.size(), 8u);
  u64& changed = m.words({before.ram.pages[3].number})[7];
  changed ^= 1;
  const machine_image after = save(m, &before);
  ASSERT_EQ(after.ram.pages.size(), before.ram.pages.size());
  for (std::size_t i = 0; i < after.ram.pages.size(); ++i)
    EXPECT_EQ(after.ram.pages[i].contents == before.ram.pages[i].contents, i != 3) << i;
  EXPECT_FALSE(after == before);
  EXPECT_TRUE(save(*restore(before)) == before);
}

}  // namespace
}  // namespace pvmmu::xen
