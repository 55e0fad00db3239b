// What comes from elsewhere is believed only when it holds together.

#include "hypervisor-model/machine_image_check.h"

#include <cstdlib>

#include "tests/hypervisor-model/guest_fixture.h"
#include "tests/hypervisor-model/random_guests.h"

namespace pvmmu::xen {
namespace {

constexpr u32 steps_before = 120;
constexpr int steps_behind = 25;

using words = memory_image::words;

words& writable(memory_image::page& page) {
  auto copy = std::make_shared<words>(*page.contents);
  words& contents = *copy;
  page.contents = std::move(copy);
  return contents;
}

template <class T>
T& any_of(choices& from, std::vector<T>& list) {
  return list[from.below(static_cast<u32>(list.size()))];
}

/// Some number that is wrong in an interesting way.
u64 another(choices& from, u64 value) {
  switch (from.below(6)) {
    case 0: return value ^ u64 { 1 } << from.below(64);
    case 1: return value + 1;
    case 2: return value - 1;
    case 3: return from.below(1200);
    case 4: return ~u64{0};
    default: return 0;
  }
}

template <class T>
void change(choices& from, T& number) {
  number = static_cast<T>(another(from, static_cast<u64>(number)));
}

void damage_vcpu(choices& from, vcpu_image& v) {
  vcpu_state& s = v.state;
  switch (from.below(12)) {
    case 11: return void(s.tlb.push_back({.root = s.guest_table, .page = from.below(64), .frame = {from.below(2048)}}));
    case 0: return change(from, s.guest_table.n);
    case 1: return change(from, s.guest_table_user.n);
    case 2: return void(v.old_guest_table = mfn_t{from.below(1100)});
    case 3: return void(v.old_guest_ptpg = mfn_t{from.below(1100)});
    case 4: return void(s.old_guest_table_partial = !s.old_guest_table_partial);
    case 5: return change(from, s.ldt_ents);
    case 6: return change(from, s.ldt_frames[from.below(2)].n);
    case 7: return change(from, s.gdt_ents);
    case 8: return change(from, s.gdt_frames[from.below(2)].n);
    case 9: return change(from, s.maptrack_head);
    default: return change(from, s.maptrack_tail);
  }
}

void damage_grants(choices& from, grant_table& grants) {
  switch (from.below(6)) {
    case 0: return change(from, grants.version);
    case 1: return change(from, any_of(from, grants.shared).n);
    case 2: return change(from, any_of(from, grants.active).pin);
    case 3: return change(from, any_of(from, grants.active).mfn.n);
    case 4: return grants.active.resize(from.below(600));
    default: break;
  }
  if (grants.maptrack.empty()) return;
  grant_mapping& map = any_of(from, grants.maptrack);
  switch (from.below(4)) {
    case 0: return change(from, map.ref);
    case 1: return change(from, map.flags);
    case 2: return change(from, map.domid);
    default: return change(from, map.vcpu);
  }
}

void damage(choices& from, machine_image& image) {
  domain_image& d = any_of(from, image.domains);
  switch (from.below(12)) {
    case 0: return change(from, image.heap.free_list);
    case 1: return change(from, image.heap.next_unused);
    case 2: return change(from, d.state.page_list);
    case 3: return change(from, d.domid);
    case 4: return damage_vcpu(from, any_of(from, d.vcpus));
    case 5: return damage_grants(from, d.state.grants);
    case 6: return void(d.state.is_dying = true);
    case 7: return change(from, writable(any_of(from, image.ram.pages))[from.below(entries_per_table)]);
    case 8: return change(from, any_of(from, image.frame_table.pages).number);
    default: {  // a word of the record of one of the first frames that guests have
      memory_image::page& page = image.frame_table.pages[2];
      return change(from, writable(page)[from.below(80 * sizeof(page_info) / sizeof(u64))]);
    }
  }
}

// What the model saves is always believed.
TEST(machine_image_check_test, what_guests_do_is_no_contradiction) {
  seeded_choices from(std::random_device{}());
  random_guests guests(from, {.frames = 1024, .tlb = true});
  for (u32 i = 0; i < steps_before; ++i) {
    guests.step();
    const machine_image image = save(guests.m);
    const auto again = restore_checked(image);
    ASSERT_TRUE(again.has_value()) << again.error() << " after " << guests.last;
    ASSERT_TRUE(save(**again) == image);
  }
}

// An image that was tampered with is refused, or guests go on with it as with any other machine, and end: no list has
// no end, no index leads out of a table, no assert fails. Each run prints its seed; PVMMU_SEED=n replays one.
TEST(machine_image_check_test, damaged_images_are_refused_or_harmless) {
  const char* const given = std::getenv("PVMMU_SEED");
  const u64 base = given ? std::strtoull(given, nullptr, 0) : std::random_device{}();
  fmt::print("PVMMU_SEED={}\n", base);
  int refused = 0, harmless = 0;
  for (u64 seed = base; seed < base + (given ? 1 : 400); ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    seeded_choices from(seed);
    random_guests first(from, {.frames = 1024, .tlb = true});
    for (u32 i = from.below(steps_before); i > 0; --i) first.step();
    machine_image image = save(first.m);
    damage(from, image);
    auto m = restore_checked(image);
    ++(m ? harmless : refused);
    if (!m) continue;
    if (!(*m)->find_domain(0) || !(*m)->find_domain(first.domu)) continue;  // it has another number now
    random_guests second(first, *std::move(m), from);
    for (int i = 0; i < steps_behind && !second.m.find_domain(0)->crashed; ++i) second.step();
    second.m.remove_domain(second.domu);
    second.m.remove_domain(0);
  }
  if (given) return;
  EXPECT_GT(refused, 100);
  EXPECT_GT(harmless, 20);
}

}  // namespace
}  // namespace pvmmu::xen
