#include "tools/conform/reduction.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tests/tools/conform/random_program.h"
#include "tools/conform/shrink.h"

namespace pvmmu::conform {
namespace {

using namespace lab;
using testing::ElementsAre;

lab::memory_op reservation(std::vector<word> extents, u64 nr_extents, std::optional<u32> adopt_first = std::nullopt) {
  return {.cmd = XENMEM_populate_physmap,
          .arg = memory_reservation{.extents = {.words = std::move(extents)}, .nr_extents = nr_extents},
          .adopt_first = adopt_first};
}

/// The program without parts of these numbers: a call, then what is in it.
program without(const program& p, std::initializer_list<u32> parts) {
  const reduction r{p};
  selection keep = r.all();
  for (const u32 part : parts) keep[part] = false;
  return r.program_of(keep);
}

// A list without an extent is shorter, and its number too: what there was too many, there is still.
TEST(reduction, leaves_out_extents_and_counts_the_others) {
  program p;
  p.calls.push_back(reservation({plain(10), plain(11), plain(12)}, 4));
  EXPECT_TRUE(std::get<lab::memory_op>(without(p, {2}).calls[0]) == reservation({plain(10), plain(12)}, 3));
  // An extent that was to be skipped is skipped no more.
  auto& op = std::get<lab::memory_op>(p.calls[0]);
  op.cmd |= u64{2} << MEMOP_EXTENT_SHIFT;
  EXPECT_EQ(std::get<lab::memory_op>(without(p, {2}).calls[0]).cmd >> MEMOP_EXTENT_SHIFT, 1u);
  EXPECT_EQ(std::get<lab::memory_op>(without(p, {3}).calls[0]).cmd >> MEMOP_EXTENT_SHIFT, 2u);
}

// What is exchanged for each other goes together: four frames for an extent of order 2.
TEST(reduction, leaves_out_both_sides_of_an_exchange) {
  memory_exchange e;
  for (u32 i = 0; i < 8; ++i) e.in.extents.words.push_back(mfn_of_frame(i));
  e.out.extents.words = {plain(20), plain(21)};
  e.in.nr_extents = 8;
  e.out.nr_extents = 2;
  e.out.extent_order = 2;
  e.nr_exchanged = 4;
  program p;
  p.calls.push_back(lab::memory_op{.cmd = XENMEM_exchange, .arg = e, .adopt_first = 8});
  const program smaller = without(p, {1});
  const auto& left = std::get<memory_exchange>(std::get<lab::memory_op>(smaller.calls[0]).arg);
  EXPECT_EQ(left.in.extents.words.size(), 4u);
  EXPECT_TRUE(left.in.extents.words[0] == mfn_of_frame(4));
  EXPECT_TRUE(left.out.extents.words == std::vector{plain(21)});
  EXPECT_EQ(left.in.nr_extents, 4u);
  EXPECT_EQ(left.out.nr_extents, 1u);
  EXPECT_EQ(left.nr_exchanged, 0u);
}

// A frame that a call has handed out is still that frame for the calls behind it, and one that it hands out no more has
// a name that nobody gives.
TEST(reduction, follows_adopted_names) {
  program p{.nr_frames = 2, .nr_adopted = 3};
  p.calls.push_back(reservation({plain(0), plain(1), plain(2)}, 3, 2));
  const auto map = [](u32 frame) { return lab::mmu_update{.ureqs = {{entry_of(0, 0), pte_to(frame, 1)}}, .count = 1}; };
  for (const u32 frame : {1u, 2u, 3u, 4u}) p.calls.push_back(map(frame));
  const program smaller = without(p, {1});
  std::vector<u32> named;
  for (std::size_t i = 1; i < smaller.calls.size(); ++i)
    named.push_back(std::get<lab::mmu_update>(smaller.calls[i]).ureqs[0].val.index);
  EXPECT_THAT(named, ElementsAre(1, 4, 2, 3));
}

// A handle is found where its call and its entry have gone; one of a mapping that is not made any more is nobody's.
TEST(reduction, follows_handles) {
  program p{.nr_frames = 1, .nr_grants = 1};
  p.calls.push_back(lab::vm_assist{});
  p.calls.push_back(map_grant_ref{.uop = {{}, {}, {}}, .count = 3});
  for (const u32 entry : {0u, 1u, 2u})
    p.calls.push_back(unmap_grant_ref{.uop = {{.handle = handle_of(1, entry)}}, .count = 1});
  const program smaller = without(p, {0, 3});
  ASSERT_EQ(smaller.calls.size(), 4u);
  const auto handle = [&](std::size_t call) { return std::get<unmap_grant_ref>(smaller.calls[call]).uop[0].handle; };
  EXPECT_TRUE(handle(1) == handle_of(0, 0));
  EXPECT_TRUE(handle(2) == plain(no_handle));
  EXPECT_TRUE(handle(3) == handle_of(0, 1));
}

bool loads_a_root(const program& p) {
  const auto loads = [](const call& c) {
    const auto* ops = std::get_if<lab::mmuext_op>(&c);
    return ops && !ops->uops.empty() && ops->uops[0].cmd == MMUEXT_NEW_BASEPTR;
  };
  return std::ranges::any_of(p.calls, loads);
}

// A table that is loaded has the probe's own slots, as long as it is loaded.
TEST(reduction, keeps_what_the_probe_runs_in) {
  program p{.nr_frames = 1};
  p.contents.push_back({.frame = 0, .slot = 511, .value = probe_l4_entry(511)});
  p.contents.push_back({.frame = 0, .slot = 3, .value = plain(0)});
  p.calls.push_back(lab::vm_assist{});
  p.calls.push_back(lab::mmuext_op{.uops = {{.cmd = MMUEXT_NEW_BASEPTR, .arg1 = mfn_of_frame(0)}}, .count = 1});
  const auto smallest = [&p](auto&& shows) {
    return shrink({p}, [&](std::span<const program> asked, auto) {
      std::vector<bool> answers;
      for (const program& q : asked) answers.push_back(shows(q));
      return answers;
    })[0];
  };
  EXPECT_EQ(smallest(loads_a_root).contents.size(), 1u);
  EXPECT_EQ(smallest([](const program&) { return true; }).contents.size(), 0u);
}

// With all of its parts a program is as it was, and without any it is empty, whatever it says.
TEST(reduction, of_any_program_goes_from_all_to_nothing) {
  const u64 seed = std::random_device{}();
  fmt::print("seed {}\n", seed);
  std::mt19937_64 rng(seed);
  for (int i = 0; i < 300; ++i) {
    const program p = random_program(rng);
    const reduction r{p};
    selection keep = r.all();
    const program same = r.program_of(keep);
    EXPECT_EQ(same.calls.size(), p.calls.size());
    while (true) {
      const std::vector<step> steps = r.steps(keep);
      if (steps.empty()) break;
      for (const u32 part : steps[rng() % steps.size()]) keep[part] = false;
      r.program_of(keep);
    }
    EXPECT_TRUE(r.program_of(keep).calls.empty());
    EXPECT_TRUE(r.program_of(keep).contents.empty());
  }
}

}  // namespace
}  // namespace pvmmu::conform
