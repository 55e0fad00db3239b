#include "tools/conform/program_text.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "hypervisor-model/machine/page_info.h"
#include "tests/tools/conform/random_program.h"

namespace pvmmu::conform {
namespace {

/// The program of a text that must be one.
named_program parsed(const std::string& text) {
  auto p = parse_program(text, "f");
  if (!p) throw std::runtime_error(p.error() + "\n" + text);
  return *std::move(p);
}

// Whatever a program says, its text says too.
TEST(program_text, comes_back_as_it_was) {
  const u64 seed = std::random_device{}();
  fmt::print("seed {}\n", seed);
  std::mt19937_64 rng(seed);
  for (int i = 0; i < 1000; ++i) {
    const lab::program p = random_program(rng);
    const std::string text = print_program(p, "random \"and\" quoted");
    const named_program back = parsed(text);
    ASSERT_TRUE(back.program == p) << text << "\nread back:\n" << print_program(back.program, "");
    ASSERT_EQ(back.title, "random \"and\" quoted");
    ASSERT_EQ(back.expected.size(), p.calls.size());
  }
}

// Names stand where numbers would say nothing.
TEST(program_text, reads_well) {
  lab::program p{.nr_frames = 2};
  p.contents.push_back({.frame = 0, .slot = 3, .value = lab::pte_to(1, PAGE_PRESENT | PAGE_RW | 0x200)});
  p.calls.push_back(lab::mmuext_op{.uops = {{.cmd = MMUEXT_PIN_L1_TABLE, .arg1 = lab::mfn_of_frame(0)}}, .count = 1});
  p.calls.push_back(lab::mmu_update{.ureqs = {{lab::entry_of(0, 4, MMU_PT_UPDATE_PRESERVE_AD), lab::plain(0)},
                                              {lab::entry_of(0, 5), lab::plain(0xfee00003)}},
                                    .count = 2,
                                    .pdone = {.where = done_arg::state::writable, .value = 77}});
  EXPECT_EQ(print_program(p, "an L1"), R"(title: "an L1"
domain { kind: DOM0 }
step {
  alloc_frame {
    name: "f0"
    begins: UNMAPPED
    contents { slot: 3 pte { frame { name: "f1" } flag: [PRESENT, RW] bits: 0x200 } }
  }
}
step { alloc_frame { name: "f1" begins: UNMAPPED } }
step { hypercall { mmuext_op { op { cmd: MMUEXT_PIN_L1_TABLE frame { name: "f0" } } done: ABSENT } } }
step {
  hypercall {
    mmu_update {
      request { entry { table { name: "f0" } slot: 4 } command: MMU_PT_UPDATE_PRESERVE_AD val: 0 }
      request { entry { table { name: "f0" } slot: 5 } pte { frame { mfn: 0xfee00 } flag: [PRESENT, RW] } }
      done_value: 0x4d
    }
  }
}
)");
}

std::string complaint(const std::string& text) {
  const auto p = parse_program(text, "f");
  return p ? "" : p.error();
}

// What a run may say and a conformance program may not is refused with its place, and with what was expected.
TEST(program_text, refuses_what_the_probe_cannot_do) {
  using testing::HasSubstr;
  using testing::StartsWith;
  const std::string frame = "domain {} step { alloc_frame { name: \"a\" begins: UNMAPPED } }\n";
  const auto refused = [&](const std::string& text, const std::string& place, const std::string& expected) {
    EXPECT_THAT(complaint(text), testing::AllOf(StartsWith("f:" + place + ": "), HasSubstr(expected)));
  };
  refused("domain { kind: DOMU } step { alloc_frame { name: \"a\" } }", "1:10", "is a DOM0");
  refused("domain { kernel { profile: \"6.1\" } } step { alloc_frame { name: \"a\" } }", "1:10", "no kernel runs");
  refused(frame + "step { hypercall { mmuext_op { op { frame { pfn: 3 } } } } }", "2:37",
          "expected name, mfn or table");
  refused(frame + "step { access { at { va: 8 } mode: USER } }", "2:30", "expected KERNEL");
  refused(frame + "step { preempted_checks: 1 access { at { va: 8 } } }", "2:8", "expected none");
  refused(frame + "step { access { kind: LOAD_SELECTOR value: 0x0b } }", "2:37", "expected one of the LDT");
  refused("domain {} domain {}\nstep { alloc_frame { name: \"a\" } }", "1:11", "is a DOMU");
  refused("domain {} domain { kind: DOMU }\nstep { domain: 1 alloc_frame { name: \"a\" } }", "2:18",
          "begins: UNMAPPED");
  refused("domain {} domain { kind: DOMU }\nstep { domain: 1 access { at { va: 8 } } }", "2:8", "lends frames only");
  refused(frame + "step { access { at { word { earlier_high { call: 0 } } } } }", "2:44", "before this one");
  refused("domain {} step { alloc_frame { name: \"a\" } }\nstep { access { at { window: 511 } } }", "2:22",
          "expected 0 to 510");
  refused(frame + "step { hypercall { multicall { call { multicall {} } } } }", "2:39", "a multicall in a multicall");
}

// A frame that a scenario wants mapped is mapped in the window, by a call of its own.
TEST(program_text, maps_frames_that_a_scenario_wants_mapped) {
  const named_program p = parsed(
      "domain {} step { alloc_frame { name: \"a\" } }\n"
      "step { access { kind: WRITE at { frame { name: \"a\" } offset: 16 } value: 5 } }");
  ASSERT_EQ(p.program.calls.size(), 2u);
  EXPECT_EQ(std::get<lab::update_va_mapping>(p.program.calls[0]).va, lab::window_va(511));
  EXPECT_EQ(std::get<lab::memory_access>(p.program.calls[1]).va, lab::window_va(511, 16));
}

// What is expected is known by its bits, and by the names of the program.
TEST(program_text, knows_what_is_expected) {
  const named_program p = parsed(R"(
    domain {}
    step { alloc_frame { name: "a" begins: UNMAPPED } }
    step {
      note: "refused"
      hypercall { mmuext_op { op { cmd: MMUEXT_PIN_L1_TABLE frame { name: "a" } } done_value: 7 } }
      expect { error: "-EINVAL" done_not_written: true }
      expect { frame { frame { name: "a" } type: L2 type_count: 1 pinned: false count: 3 contents { slot: 4 value: 9 } } }
    }
    step { access { at { window: 0 } } expect { guest_fault { vector: 13 at { window: 0 } } } })");
  EXPECT_EQ(p.notes.at(0), "refused");
  const expectation& pin = p.expected.at(0);
  EXPECT_EQ(pin.where, "f:4:5");
  EXPECT_EQ(pin.result, -22);
  EXPECT_EQ(pin.done, 7u);
  ASSERT_EQ(pin.frames.size(), 1u);
  EXPECT_EQ(pin.frames[0].type_info, xen::PGT_l2_page_table | 1);
  EXPECT_EQ(pin.frames[0].type_mask, xen::PGT_type_mask | xen::PGT_count_mask | xen::PGT_pinned);
  EXPECT_EQ(pin.frames[0].count_info, 3u);
  EXPECT_EQ(pin.frames[0].contents.at(0).value, lab::plain(9));
  const expected_fault fault = p.expected.at(1).fault.value();
  EXPECT_EQ(fault.vector, 13);
  EXPECT_EQ(fault.cr2, lab::window_va(0));
}

// What the real Xen answered is printed as what is expected: results, the count that it wrote, faults, words with
// names.
TEST(program_text, expects_what_was_seen) {
  lab::program p{.nr_frames = 1};
  p.calls.push_back(lab::mmu_update{.ureqs = {{lab::entry_of(0, 0), lab::plain(0)}},
                                    .count = 1,
                                    .pdone = {.where = done_arg::state::writable, .value = 1}});
  p.calls.push_back(lab::memory_access{.va = lab::window_va(0)});
  p.calls.push_back(lab::memory_access{.va = lab::window_va(1)});
  p.calls.push_back(lab::multicall{.entries = {lab::vm_assist{}}, .nr_calls = 1});
  p.calls.push_back(lab::vm_assist{});
  lab::program_answer real;
  real.how = lab::program_answer::state::crashed;
  real.frames = {mfn_t{0x1234}};
  real.calls.resize(4);
  real.calls[0] = {.result = -16, .done = 0};
  real.calls[1].value = 0x1234067;
  real.calls[2].taken = lab::fault{.vector = 13, .error_code = 5};
  real.calls[3].entries = {{.result = -22}};
  const seen run{.answer = real};
  const named_program back = parsed(print_program(p, "", &run));
  EXPECT_TRUE(back.program == p);
  EXPECT_EQ(back.expected[0].result, -16);
  EXPECT_EQ(back.expected[0].done, 0u);
  EXPECT_EQ(back.expected[1].value, lab::pte_to(0, 0x67));
  EXPECT_EQ(back.expected[2].fault.value().vector, 13);
  EXPECT_EQ(back.expected[2].fault.value().error_code, 5u);
  EXPECT_EQ(back.expected[3].entry_results, std::vector<s64>{-22});
  EXPECT_TRUE(back.expected[4].crashes);
}

}  // namespace
}  // namespace pvmmu::conform
