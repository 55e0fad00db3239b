#include "tools/interludes.h"

#include <gmock/gmock.h>

#include "tools/report/report.h"
#include "tools/runner.h"

namespace pvmmu::tools {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

/// Two processes, a of two threads on two vCPUs, and four pages of it.
constexpr std::string_view two_vcpus =
    "domain { vcpus: 2 kernel { profile: \"6.1\" } }\n"
    "step { exec { mm: \"b\" } } step { exec { mm: \"a\" } } step { vcpu: 1 switch_mm { mm: \"a\" } }\n"
    "step { mmap { va: 0x40000000 bytes: 0x4000 } } step { touch { va: 0x40000000 bytes: 0x4000 } }\n";

journal run_with(const std::string& steps) {
  connection server("");
  return run_scenario(scenario_file::parse("f", std::string(two_vcpus) + steps), server);
}

std::string protect_during(const std::string& during) {
  return "step { mprotect { va: 0x40000000 bytes: 0x4000 read_only: true } during { " + during + " } }\n";
}

/// Of the last step: "1 call" where vCPU 1 made a call, "> …" for an interlude.
std::vector<std::string> order(const step_log& s) {
  std::vector<std::string> all;
  for (const auto& entry : s.entries) {
    if (const auto* i = std::get_if<interlude>(&entry)) all.push_back("> " + i->text);
    const act* a = std::get_if<act>(&entry);
    if (a && a->is_call()) all.push_back(fmt::format("{} {}", a->vcpu, a->caller));
  }
  return all;
}

// What another vCPU does at a moment lies between the step's own calls, and the step goes on as itself.
TEST(interludes, another_vcpu_acts_at_the_moment) {
  const journal j = run_with(protect_during("after_calls: 1 step { vcpu: 1 read { va: 0x40000000 } }"));
  EXPECT_EQ(j.count_findings(), 0u) << text_report(j, false);
  EXPECT_THAT(order(j.steps.back()),
              testing::ElementsAre("0 xen_ptep_modify_prot_commit", "> vCPU 1 meanwhile: read 0x40000000",
                                   "> vCPU 0 goes on", "0 xen_flush_tlb_multi"));
}

// A process that is preempted leaves its lazy section, so that what it had queued is sent, and is back in it
// afterwards.
TEST(interludes, a_preempted_process_sends_what_it_has_queued_and_comes_back) {
  const journal j = run_with(protect_during("after_queued: 3 step { switch_mm { mm: \"b\" } }") +
                             "step { read { va: 0x40003000 } expect { value: 0x40003000 } }");
  EXPECT_EQ(j.count_findings(), 0u) << text_report(j, false);
  const step_log& s = j.steps[j.steps.size() - 2];
  EXPECT_THAT(order(s),
              testing::ElementsAre("> preempted: switch_mm to b", "0 xen_ptep_modify_prot_commit", "0 xen_write_cr3",
                                   "> back to the process of a", "0 xen_write_cr3", "> vCPU 0 goes on",
                                   "0 xen_ptep_modify_prot_commit", "0 xen_flush_tlb_multi"));
}

// A moment that the step never has is not passed over in silence.
TEST(interludes, a_moment_that_does_not_come_is_a_finding) {
  const journal j = run_with(protect_during("after_queued: 5 step { vcpu: 1 read { va: 0x40000000 } }"));
  ASSERT_EQ(j.count_findings(), 1u);
  EXPECT_THAT(j.steps.back().findings[0].expected, HasSubstr("a moment of the step"));
}

// What is done in between and fails is a finding of its own place; what stops the kernel stops the step around it.
TEST(interludes, what_fails_in_between_is_found) {
  const journal failed = run_with(protect_during("after_queued: 1 step { vcpu: 1 read { va: 0x50000000 } }"));
  ASSERT_EQ(failed.count_findings(), 1u);
  EXPECT_THAT(failed.steps.back().findings[0].got, HasSubstr("SIGSEGV"));
}

// Who asks reclaim's question while a table's lock is held waits until it is not.
TEST(interludes, what_has_to_wait_for_a_lock_is_done_later) {
  // The unpin of 41 tables needs more than one batch, and one table's unpin is the first's last entry, its mapping the
  // second's first.
  std::string steps = "step { mmap { va: 0x200000 bytes: 0x1000 } } step { write { va: 0x200000 value: 1 } }\n";
  for (int i = 1; i < 40; ++i)
    steps += fmt::format("step {{ mmap {{ va: {0:#x} bytes: 0x1000 }} }} step {{ write {{ va: {0:#x} value: 1 }} }}\n",
                         0x40000000 + i * 0x200000);
  s64 waited = 0;  // two calls take the tables from the two CPUs; the third is the first batch
  for (int table = 1; table < 40; ++table) {
    const journal j = run_with(steps + fmt::format("step {{ exit_mmap {{ mm: \"a\" }} during {{ after_calls: 3 "
                                                   "step {{ vcpu: 1 page_referenced {{ mm: \"a\" va: {:#x} }} }} }} }}",
                                                   0x40000000 + table * 0x200000));
    EXPECT_EQ(j.count_findings(), 0u) << text_report(j, false);
    waited += std::ranges::count(order(j.steps.back()), "> it waits for a lock");
  }
  EXPECT_EQ(waited, 1);
}

struct mistake {
  std::string step;
  std::string told;
};

class wrong_during : public testing::TestWithParam<mistake> {};

// What cannot be meant is refused with its place and what was expected.
TEST_P(wrong_during, is_refused) {
  try {
    run_with(GetParam().step);
    FAIL() << "was taken";
  } catch (const input_error& e) {
    EXPECT_THAT(e.what(), AllOf(testing::StartsWith("f:4:"), HasSubstr(GetParam().told)));
  }
}

INSTANTIATE_TEST_SUITE_P(
    scenarios, wrong_during,
    testing::Values(
        mistake{protect_during("after_queued: 0 step { vcpu: 1 read { va: 0 } }"), "expected 1 to"},
        mistake{protect_during("step { vcpu: 1 read { va: 0 } }"), "a moment"},
        mistake{protect_during("after_calls: 1"), "step"},
        mistake{protect_during("after_calls: 1 step { vcpu: 1 read { va: 0 } } step { read { va: 0 } }"), "one vCPU"},
        mistake{protect_during("after_calls: 1 step { vcpu: 1 read { va: 0 } expect { value: 1 } }"), "no expect"},
        mistake{protect_during("after_calls: 1 step { exit_mmap { mm: \"a\" } }"), "goes on with its address space"},
        mistake{protect_during("after_calls: 1 step { vcpu: 1 suspend {} }"), "expected one of"},
        mistake{"step { alloc_frame { name: \"f\" } during { after_calls: 1 step { vcpu: 1 read { va: 0 } } } }",
                "a kernel's own operation"}));

}  // namespace
}  // namespace pvmmu::tools
