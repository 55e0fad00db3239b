// Why something was refused, in recordings of the model: the rule, the entry, the state, and who made it so.

#include "tools/why/refusal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "tests/tools/why/recorded_scenario.h"
#include "tools/report/paint.h"
#include "tools/why/audit_steps.h"
#include "tools/why/refusal_text.h"

namespace pvmmu::tools {
namespace {

using testing::AllOf;
using testing::HasSubstr;

/// A scenario that was run and recorded, step by step.
class played_scenario : public recorded_scenario {
 public:
  explicit played_scenario(const std::string& name) : recorded_scenario(name), t(timeline::open(path(), false)) {}

  /// The steps in which something was refused.
  std::vector<u64> refused() {
    std::vector<u64> steps;
    for (u64 n = t.next(0); n != 0; n = t.next(n)) {
      t.go_to(n);
      if (has_refusal(t.step())) steps.push_back(n);
    }
    return steps;
  }
  std::string why(u64 step) {
    const auto found = refusals_of(t, step);
    return paint(refusal_text(t.step(), found), false);
  }

  timeline t;
};

// Whatever the examples have refused is explained: by the place in Xen's source, or where there is none by the error.
TEST(refusal_test, every_refusal_of_the_examples) {
  for (const char* const name : {"refusals", "double-pin", "unpinned-l1", "clear-before-set", "set-before-clear"}) {
    played_scenario run(name);
    for (const u64 step : run.refused()) {
      run.t.go_to(step);
      const bool call_failed = failed(run.t.step().act) || run.t.step().act.crashed;
      const auto found = refusals_of(run.t, step);
      EXPECT_EQ(call_failed, !found.empty()) << name << " step " << step;
      for (const refused_operation& r : found) {
        EXPECT_NE(r.rule.rule, "") << name << " step " << step;
        const bool silent = r.result != -22 && r.result != -16;
        EXPECT_TRUE(silent || !r.where.empty()) << name << " step " << step << ": " << run.why(step);
      }
    }
  }
}

// A table with a writable entry to a page table: that entry, who holds the page table as one, and Xen's own words.
TEST(refusal_test, a_writable_mapping_of_a_table) {
  played_scenario run("refusals");
  const std::vector<u64> steps = run.refused();
  const auto bad_type = std::ranges::find_if(steps, [&](u64 step) { return run.why(step).contains("-EBUSY"); });
  ASSERT_NE(bad_type, steps.end());
  EXPECT_THAT(run.why(*bad_type),
              AllOf(HasSubstr("with -EBUSY"), HasSubstr("A frame has one type at a time"),
                    HasSubstr("L4 of d0, pinned, validated"), HasSubstr("as L4 by d0v0, which runs its kernel on it"),
                    HasSubstr("Bad type (saw")));
}

// 5.14 pins an L1 that is pinned: each refused operation of the multicall is told with the pin's own step.
TEST(refusal_test, a_second_pin) {
  played_scenario run("double-pin");
  const std::vector<u64> steps = run.refused();
  ASSERT_FALSE(steps.empty());
  EXPECT_THAT(
      run.why(steps.front()),
      AllOf(HasSubstr("multicall entry 1: mmuext_op entry 0: PIN_L1_TABLE"), HasSubstr("A table is pinned once"),
            HasSubstr("as L1 by the pin; since step"), HasSubstr("4.17 arch/x86/mm.c:3588")));
}

// The state of a run is sound; one that is broken by hand is found, with its frame. (That all examples are sound behind
// each step, tests/examples/replay.py sees.)
TEST(audit_steps_test, a_broken_state_is_found) {
  played_scenario run("double-pin");
  timeline& t = run.t;
  const step_audit judge(t);
  t.go_to(t.last());
  xen::machine& m = t.machine();
  EXPECT_TRUE(judge.findings(m).empty());
  const mfn_t root = m.domains().front()->vcpus.front()->guest_table;
  m.page(root).count_info += 1;
  ASSERT_EQ(judge.findings(m).size(), 1u);
  EXPECT_EQ(judge.findings(m).front().invariant, "I1");
  EXPECT_EQ(judge.findings(m).front().mfn, root);
}

/// Takes a reference that nobody has, when something is refused.
class breaking : public xen::reason_listener {
 public:
  explicit breaking(xen::machine& m) : m_(m) { m.tell_reasons_to(this); }
  void on_reason(xen::message_site, const std::string&) override {
    if (std::exchange(broken_, true)) return;
    root = m_.domains().front()->vcpus.front()->guest_table;
    m_.page(root).count_info += 1;
  }
  mfn_t root{};

 private:
  xen::machine& m_;
  bool broken_ = false;
};

// The audit ends behind the step that broke something, and says of which frame, what is expected and found, and why.
TEST(audit_steps_test, ends_behind_the_step_that_broke_it) {
  played_scenario run("refusals");
  const u64 step = run.refused().front();
  timeline t = timeline::open(run.path(), false);
  const breaking at_the_refusal(t.machine());
  const auto broken = audit_steps(t, audit_when::each, false);
  ASSERT_TRUE(broken);
  EXPECT_EQ(broken->step, step);
  ASSERT_EQ(broken->findings.size(), 1u);
  EXPECT_EQ(broken->findings.front().invariant, "I1");
  EXPECT_EQ(broken->findings.front().mfn, at_the_refusal.root);
  const std::string text = paint(violation_text(*broken), false);
  EXPECT_THAT(text, AllOf(HasSubstr(fmt::format("behind step {}, 1 violated invariant", step)),
                          HasSubstr(fmt::format("I1 mfn {:#x}: ", at_the_refusal.root.n)), HasSubstr("its owner, d0"),
                          HasSubstr("step 1, create_domain"), HasSubstr("1 general reference that nobody holds")));
}

// Of the real thing, with what Xen held before: sound, and a count that is off is found all the same.
TEST(audit_steps_test, real_recordings) {
  timeline t = timeline::open(PVMMU_SOURCE_DIR "/tests/data/l61-pmd_move.rec", false);
  const auto broken = audit_steps(t, audit_when::end, false);
  EXPECT_FALSE(broken) << paint(violation_text(*broken), false);
  const step_audit judge(t);
  ASSERT_FALSE(judge.share().empty());
  t.go_to(t.last());
  const mfn_t shared = judge.share().all().begin()->first;
  t.machine().page(shared).count_info += 1;
  ASSERT_EQ(judge.findings(t.machine()).size(), 1u);
  EXPECT_EQ(judge.findings(t.machine()).front().mfn, shared);
}

}  // namespace
}  // namespace pvmmu::tools
