// Properties that hold for whatever guests do: the state is sound after every piece, preemption changes no outcome,
// and nothing is left of a domain that has ended. Each run prints its seed; PVMMU_SEED=n replays one.

#include "tests/hypervisor-model/random_guests.h"

#include <algorithm>
#include <cstdlib>

#include "hypervisor-model/audit_transitions.h"
#include "tests/hypervisor-model/guest_fixture.h"

namespace pvmmu::xen {
namespace {

constexpr int runs = 12;
constexpr int steps = 120;

u64 first_seed() {
  if (const char* given = std::getenv("PVMMU_SEED")) return std::strtoull(given, nullptr, 0);
  return std::random_device{}();
}

int runs_from(u64 seed) {
  fmt::print("PVMMU_SEED={}\n", seed);
  return std::getenv("PVMMU_SEED") ? 1 : runs;
}

/// All that a guest or a later call can notice: counts, types, linear counts, memory. Flush times are left out.
std::vector<u64> state_of(machine& m) {
  std::vector<u64> state;
  for (mfn_t mfn{0}; mfn.n < m.config().frames; ++mfn) {
    const page_info& pg = m.page(mfn);
    const bool table = table_level(pg.type_info) != 0 && pg.type_count() > 0;
    state.insert(state.end(), {pg.count_info, pg.type_info, pg.owner, table ? u64(u16(pg.linear_pt_count())) : 0});
    if (pg.owner != owner_none) state.insert(state.end(), m.words(mfn), m.words(mfn) + entries_per_table);
  }
  return state;
}

// After every piece of every call, every count can be explained from memory.
TEST(random_guests_test, the_state_is_sound_after_every_piece) {
  const u64 base = first_seed();
  for (int run = 0, last = runs_from(base); run < last; ++run) {
    const u64 seed = base + static_cast<u64>(run);
    seeded_choices from(seed);
    random_guests* guests = nullptr;
    random_guests made(from, {.frames = 1024, .debug_build = run % 4 == 3}, [&] {
      if (guests) {
        ASSERT_EQ(describe(audit(guests->m)), "") << "seed " << seed << ": " << guests->last;
      }
    });
    guests = &made;
    for (int i = 0; i < steps && !testing::Test::HasFatalFailure(); ++i) {
      guests->step();
      ASSERT_EQ(describe(audit(guests->m)), "") << "seed " << seed << " step " << i << ": " << guests->last;
    }
  }
}

// What fails changes nothing (I13), pins are the guests' own (I5), and no processor may write to what became a table
// (I8).
TEST(random_guests_test, transitions_are_sound) {
  const u64 base = first_seed();
  for (int run = 0, last = runs_from(base); run < last; ++run) {
    const u64 seed = base + static_cast<u64>(run);
    seeded_choices from(seed);
    random_guests guests(from);
    transition_audit watching{guests.m};
    for (int i = 0; i < steps; ++i) {
      guests.step();
      ASSERT_EQ(describe(watching.findings()), "") << "seed " << seed << " step " << i << ": " << guests.last;
    }
  }
}

// Whenever Xen is preempted, the guests see the same results and leave the same tables and counts as without (I14);
// and the state is sound between the pieces too.
TEST(random_guests_test, preemption_changes_no_outcome) {
  const u64 base = first_seed();
  for (int run = 0, last = runs_from(base); run < last; ++run) {
    const u64 seed = base + static_cast<u64>(run);
    seeded_choices from(seed), again(seed);
    random_guests calm(from);
    random_guests* guests = nullptr;
    random_guests hurried(again, {.frames = 1024}, [&] {
      if (guests) {
        ASSERT_EQ(describe(audit(guests->m)), "") << "seed " << seed << ": " << guests->last;
      }
    });
    guests = &hurried;
    random_preemption schedule(seed, std::array<u32, 4>{2, 20, 150, 700}[static_cast<unsigned>(run) % 4]);
    hurried.m.preempt_by(&schedule);
    for (int i = 0; i < steps && !testing::Test::HasFatalFailure(); ++i) {
      calm.step();
      hurried.step();
      // Where Xen loses a reference (machine::lost_references) it may depend on when it was preempted.
      if (calm.m.lost_references != hurried.m.lost_references) break;
      ASSERT_EQ(calm.seen, hurried.seen) << "seed " << seed << " step " << i << ": " << calm.last;
      ASSERT_TRUE(state_of(calm.m) == state_of(hurried.m)) << "seed " << seed << " step " << i << ": " << calm.last;
    }
    hurried.m.preempt_by(nullptr);
  }
}

// When both domains have ended, every frame is free again.
TEST(random_guests_test, nothing_is_left_of_domains_that_ended) {
  const u64 base = first_seed();
  for (int run = 0, last = runs_from(base); run < last; ++run) {
    const u64 seed = base + static_cast<u64>(run);
    seeded_choices from(seed);
    random_guests guests(from);
    for (int i = 0; i < steps; ++i) guests.step();
    for (const domid_t domid : {domid_t{0}, guests.domu}) {
      guests.m.remove_domain(domid);
      ASSERT_EQ(describe(audit(guests.m)), "") << "seed " << seed << " after the end of d" << domid;
    }
    for (mfn_t mfn{512}; mfn.n < 1024; ++mfn) {
      // Xen never frees them either, nor the grant table of a domain that owns one.
      const auto& lost = guests.m.lost_references;
      const bool xens_own = (guests.m.page(mfn).count_info & PGC_xen_heap) != 0;
      if (std::ranges::count(lost, mfn) || (!lost.empty() && xens_own)) continue;
      ASSERT_EQ(guests.m.page(mfn).owner, owner_none) << "seed " << seed << " mfn " << mfn.n;
      ASSERT_EQ(guests.m.page(mfn).ref_count(), 0u) << "seed " << seed << " mfn " << mfn.n;
      ASSERT_EQ(guests.m.page(mfn).type_info, 0u) << "seed " << seed << " mfn " << mfn.n;
    }
  }
}

}  // namespace
}  // namespace pvmmu::xen
