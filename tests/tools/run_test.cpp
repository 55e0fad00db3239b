#include <gmock/gmock.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "tools/report/report.h"
#include "tools/runner.h"

namespace pvmmu::tools {
namespace {

std::string example(const std::string& name) { return PVMMU_SOURCE_DIR "/examples/" + name + ".textproto"; }

std::vector<std::string> all_examples() {
  std::vector<std::string> paths;
  for (const auto& file : std::filesystem::directory_iterator(PVMMU_SOURCE_DIR "/examples"))
    if (file.path().extension() == ".textproto") paths.push_back(file.path().stem());
  std::ranges::sort(paths);
  return paths;
}

journal run_text(const std::string& text) {
  connection server("");
  return run_scenario(scenario_file::parse("f", text), server);
}

std::string findings_of(const journal& j) {
  std::string text;
  for (const auto& s : j.steps)
    for (const auto& f : s.findings)
      text += fmt::format("{}: {}: expected {}, got {}\n", f.where, f.what, f.expected, f.got);
  return text;
}

class every_example : public testing::TestWithParam<std::string> {};

// Each example is a test of what it tells: all that it expects comes, and nothing else is said or refused.
TEST_P(every_example, runs_as_expected) {
  connection server("");
  const journal j = run_scenario(scenario_file::read(example(GetParam())), server);
  EXPECT_EQ(findings_of(j), "");
  const bool expects = std::ranges::any_of(j.steps, [](const step_log& s) { return s.expectations != 0; });
  EXPECT_TRUE(expects) << "an example expects something";
}

// The same run gives the same report, byte for byte, in process, over a Unix socket and over TCP; colours and JSON too.
TEST_P(every_example, reads_the_same_over_every_transport) {
  const scenario_file file = scenario_file::read(example(GetParam()));
  const std::string path = std::filesystem::temp_directory_path() / fmt::format("pvmmu-run-test-{}.sock", getpid());
  xen::server remote;
  remote.listen_unix(path);
  const u16 port = remote.listen_tcp("127.0.0.1", 0);
  std::jthread serving([&] { remote.run(); });
  connection here(""), over_unix("unix:" + path), over_tcp(fmt::format("127.0.0.1:{}", port));
  const journal j = run_scenario(file, here);
  for (connection* there : {&over_unix, &over_tcp, &here}) {
    const journal k = run_scenario(file, *there);
    EXPECT_EQ(text_report(j, false), text_report(k, false));
    EXPECT_EQ(text_report(j, true), text_report(k, true));
    EXPECT_EQ(json_report(j), json_report(k));
  }
  remote.stop();
}

INSTANTIATE_TEST_SUITE_P(examples, every_example, testing::ValuesIn(all_examples()), [](const auto& param) {
  std::string name = param.param;
  std::ranges::replace(name, '-', '_');
  return name;
});

/// Grants, memory_op, vcpu_op and raw calls are for `pvmmu conform` alone.
bool can_run(const std::string& path) {
  const auto for_conform_alone = [](const auto& step) {
    const auto& call = step.hypercall();
    return call.has_raw() || call.has_memory_op() || call.has_vcpu_op();
  };
  const scenario_file file = scenario_file::read(path);
  return file.content().domain(0).grants() == 0 && std::ranges::none_of(file.content().step(), for_conform_alone);
}

std::vector<std::string> all_conformance_programs() {
  std::vector<std::string> paths;
  for (const auto& file : std::filesystem::directory_iterator(PVMMU_SOURCE_DIR "/tests/conformance/programs"))
    if (file.path().extension() == ".textproto" && can_run(file.path())) paths.push_back(file.path());
  std::ranges::sort(paths);
  return paths;
}

class every_conformance_program : public testing::TestWithParam<std::string> {};

// What the real Xen was seen to do, a run on the model shows too, with all of its explanations.
TEST_P(every_conformance_program, runs_as_expected) {
  connection server("");
  const scenario_file file = scenario_file::read(GetParam());
  EXPECT_EQ(findings_of(run_scenario(file, server)), "");
}

INSTANTIATE_TEST_SUITE_P(programs, every_conformance_program, testing::ValuesIn(all_conformance_programs()),
                         [](const auto& param) { return std::filesystem::path(param.param).stem().string(); });

// Without a kernel, frames begin as they are wanted, and lead to frames that are taken after them.
TEST(run, frames_begin_as_they_are_wanted) {
  const journal j = run_text(R"(
    domain { kind: DOM0 }
    step { alloc_frame { name: "l1" begins: UNMAPPED contents { slot: 2 count: 3 pte { frame { name: "data" } flag: PRESENT } } } }
    step { alloc_frame { name: "data" } }
    step { alloc_frame { name: "new" begins: UNTOUCHED } }
    step {
      hypercall { mmuext_op { op { cmd: MMUEXT_PIN_L1_TABLE frame { name: "l1" } } } }
      expect {
        result: 0
        entries_validated: 3
        frame { frame { name: "l1" } type: L1 count: 2 allocated: true contents { slot: 1 value: 0 } }
        frame { frame { name: "data" } type: WRITABLE type_count: 1 count: 5 }
        frame { frame { name: "new" } type: NONE validated: false count: 1 }
      }
    })");
  EXPECT_EQ(findings_of(j), "");
}

// The window's pages are empty until something is mapped there, and its tables have names.
TEST(run, has_a_window) {
  const journal j = run_text(R"(
    domain { kind: DOM0 }
    step { alloc_frame { name: "data" begins: UNMAPPED contents { slot: 1 value: 0x1234 } } }
    step { access { at { window: 3 } } expect { guest_fault { at { window: 3 } error_code: 0 } } }
    step { hypercall { update_va_mapping { at { window: 3 } pte { frame { name: "data" } flag: [PRESENT, RW] } } } }
    step {
      access { kind: XCHG at { window: 3 offset: 8 } value_word { mfn { name: "window_l1" } value: 1 } }
      expect { value: 0x1234 frame { frame { name: "window_l1" } type: L1 type_count: 1 count: 2 } }
    }
    step {
      access { at { window: 3 offset: 8 } }
      expect {
        value_word { mfn { name: "window_l1" } value: 1 }
        frame { frame { name: "data" } contents { slot: 1 word { mfn { name: "window_l1" } value: 1 } } }
        frame { frame { name: "window_l3" } contents { slot: 0 word { pte { frame { name: "window_l2" } flag: [PRESENT, RW, USER, ACCESSED, DIRTY] } } } }
        frame { frame { name: "probe_l4" } type: L4 pinned: true }
      }
    })");
  EXPECT_EQ(findings_of(j), "");
}

// What only the real machine has is not made up.
TEST(run, says_what_it_cannot_run) {
  EXPECT_THAT(findings_of(run_text("domain {} step { hypercall { raw { op: 24 } } }")),
              testing::HasSubstr("a call that the model knows by name"));
  EXPECT_THAT(findings_of(run_text("domain {} step { hypercall { mmuext_op { op { frame { name: \"m2p\" } } } } }")),
              testing::HasSubstr("a frame that a run on the model alone has"));
}

// The report of the move shows the call, its entry, the kernel function behind it and the count that changed.
TEST(report, shows_what_the_move_changed) {
  connection server("");
  const journal j = run_scenario(scenario_file::read(example("pmd-move")), server);
  const std::string text = text_report(j, false);
  EXPECT_THAT(text, testing::ContainsRegex("xen_set_pmd: mmu_update = 0\n"
                                           "    L2 mfn 0x[0-9a-f]+\\[0\\]  mfn 0x[0-9a-f]+ P\\|RW\\|US\\|A\\|D → 0\n"
                                           "      mfn 0x[0-9a-f]+ L1  type count 2→1  count 4→3\n"));
  EXPECT_THAT(text, testing::HasSubstr("xen_flush_tlb: mmuext_op = 0"));
  EXPECT_THAT(text, testing::HasSubstr("all as expected"));
  EXPECT_THAT(text, testing::Not(testing::HasSubstr("\x1b["))) << "no colours unless asked for";
  EXPECT_THAT(text_report(j, true), testing::HasSubstr("\x1b["));
  EXPECT_LT(std::ranges::count(text, '\n'), 400) << "512 page faults are shown once and counted";
}

struct wrong_expectation {
  std::string step;  ///< with one wrong expectation, on line 3
  std::string what;  ///< of the finding
  std::string got;
};

std::ostream& operator<<(std::ostream& out, const wrong_expectation& w) { return out << w.step; }

class wrong : public testing::TestWithParam<wrong_expectation> {};

// Every expectation can fail, and a failure says where it stands, what was expected and what came.
TEST_P(wrong, is_found) {
  const journal j = run_text(
      "domain { kernel { profile: \"6.1\" } } machine { debug_build: true }\n"
      "step { exec { mm: \"a\" } } step { mmap { va: 0 bytes: 0x1000 } } step { alloc_frame { name: \"f\" } }\n"
      "step { " +
      GetParam().step + " }\n");
  ASSERT_EQ(j.count_findings(), 1u) << findings_of(j);
  const finding& f = j.steps.back().findings.at(0);
  EXPECT_THAT(f.where, testing::StartsWith("f:3:"));
  EXPECT_EQ(f.what, GetParam().what);
  EXPECT_THAT(f.got, testing::HasSubstr(GetParam().got));
}

std::vector<wrong_expectation> wrong_expectations() {
  const std::string unpin = "hypercall { mmuext_op { op { cmd: MMUEXT_UNPIN_TABLE frame { name: \"f\" } } } } ";
  const std::string flush = "hypercall { mmuext_op { op { cmd: MMUEXT_TLB_FLUSH_LOCAL } } } ";
  const std::string said = " xen_message: \"not pinned\" ";
  const std::string frame = "frame { frame { name: \"f\" } ";
  return {
      {unpin + "expect {" + said + "}", "error", "-EINVAL"},
      {unpin + "expect {" + said + "result: 0 }", "result", "-EINVAL"},
      {unpin + "expect {" + said + "error: \"-EPERM\" }", "error", "-EINVAL"},
      {unpin + "expect { error: \"-EINVAL\" }", "line printed by Xen", "not pinned"},
      {unpin + "expect { error: \"-EINVAL\"" + said + "xen_message: \"hello\" }", "line printed by Xen",
       "no such line"},
      {unpin + "expect { error: \"-EINVAL\"" + said + "done: 1 }", "done", "0"},
      {unpin + "expect { error: \"-EINVAL\"" + said + "done_not_written: true }", "done_not_written", "0"},
      {flush + "expect { error: \"-EINVAL\" }", "error", "none"},
      {flush + "expect { guest_flushes: 2 }", "guest_flushes", "1"},
      {flush + "expect { xen_flushes: 1 }", "xen_flushes", "0"},
      {flush + "expect { call: \"mmu_update\" }", "call", "mmuext_op"},
      {flush + "expect { entries_validated: 1 }", "entries_validated", "0"},
      {flush + "expect { entries_devalidated: 1 }", "entries_devalidated", "0"},
      {flush + "expect { linux_message: \"hello\" }", "line logged by Linux", "no such line"},
      {flush + "expect { stopped: OOPS }", "stopped", "none"},
      {flush + "expect { failed { call: \"mmu_update\" error: \"-EINVAL\" } }", "failed call", "no such"},
      {flush + "expect { " + frame + "type: L1 } }", "type", "WRITABLE"},
      {flush + "expect { " + frame + "type_count: 2 } }", "type_count", "1"},
      {flush + "expect { " + frame + "count: 3 } }", "count", "2"},
      {flush + "expect { " + frame + "pinned: true } }", "pinned", "false"},
      {flush + "expect { " + frame + "validated: false } }", "validated", "true"},
      {flush + "expect { " + frame + "lowest_type_count: 0 } }", "lowest_type_count", "1"},
      {flush + "expect { " + frame + "allocated: false } }", "allocated", "true"},
      {flush + "expect { " + frame + "non_coherent: true } }", "non_coherent", "false"},
      {flush + "expect { " + frame + "contents { slot: 5 value: 1 } } }", "slot 5", "0x0"},
      {"hypercall { multicall { call { unknown: 99 } } }", "failed call", "-ENOSYS"},
      {"hypercall { multicall { call { unknown: 99 } } } expect { entry_result: 0 }", "entry_result", "-ENOSYS"},
      {"write { va: 0 value: 5 } expect { frame { frame { mapped_at: 0 } type: L1 } }", "type", "WRITABLE"},
      {"read { va: 0 } expect { value: 1 }", "value", "0x0"},
      {"read { va: 0x1000 }", "error", "SIGSEGV"},
      {"munmap { va: 0 bytes: 0x1000 } expect { error: \"-EINVAL\" }", "error", "none"},
      {"access { at { va: 0x5000 } }", "guest_fault", "#PF at 0x5000"},
      {"access { at { frame { name: \"f\" } } } expect { guest_fault {} }", "guest_fault", "none"},
      {"access { at { va: 0x5000 } } expect { guest_fault { va: 1 } }", "va", "0x5000"},
      {"access { at { va: 0x5000 } } expect { guest_fault { error_code: 7 } }", "error_code", "0"},
      {"access { at { va: 0x5000 } } expect { guest_fault { at { va: 8 } } }", "at", "0x5000"},
      {"access { at { frame { name: \"f\" } } } expect { value_word { mfn { name: \"f\" } } }", "value", "0x0"},
      {flush + "expect { frame { frame { mapped_at: 0x5000 } } }", "frame", "none"},
      {flush + "expect { frame { frame { table { level: 1 va: 0x40000000 } } } }", "table_of", "none"},
  };
}
INSTANTIATE_TEST_SUITE_P(expectations, wrong, testing::ValuesIn(wrong_expectations()));

// A domain that cannot be built is the scenario's mistake, told with its place.
TEST(run_scenario, refuses_a_domain_that_cannot_be_built) {
  connection server("");
  const auto file = scenario_file::parse(
      "f", "machine { frames: 4096 }\ndomain { pages: 4096 }\nstep { alloc_frame { name: \"a\" } }");
  try {
    run_scenario(file, server);
    FAIL() << "4096 pages do not fit beside Xen's own";
  } catch (const input_error& e) {
    EXPECT_THAT(e.what(), testing::StartsWith("f:2:1: "));
  }
}

// An item of the profile that is another is another in what happens, and the report says so; the command line has the
// last word.
TEST(run_scenario, runs_a_kernel_with_another_item) {
  const std::string text =
      "domain { kernel { profile: \"5.14\" item: \"alloc_ptpage_checks_pinned=true\" } } step { exec { mm: \"a\" } }\n"
      "step { mmap { va: 0x40000000 bytes: 0x200000 } } step { touch { va: 0x40000000 bytes: 0x1000 } }\n"
      "step { mremap { old_va: 0x40000000 bytes: 0x200000 new_va: 0x80000000 } }\n";
  EXPECT_EQ(findings_of(run_text(text)), "");
  EXPECT_THAT(text_report(run_text(text), false),
              testing::HasSubstr("  but alloc_ptpage_checks_pinned=true, which is false in Linux 5.14\n"));
  connection server("");
  const journal j =
      run_scenario(scenario_file::parse("f", text), server, {.items = {"alloc_ptpage_checks_pinned=false"}});
  EXPECT_THAT(findings_of(j), testing::HasSubstr("1 of 2 multicall(s) failed"));
  EXPECT_THAT(text_report(j, false), testing::Not(testing::HasSubstr("but alloc")));
}

// Several domains and vCPUs, each acting for itself; one maps a page of another through foreigndom.
TEST(run_scenario, knows_domains_apart) {
  const journal j = run_text(
      "domain { kind: DOM0 vcpus: 2 } domain { kind: DOMU pages: 8192 }\n"
      "step { domain: 1 alloc_frame { name: \"theirs\" } } step { alloc_frame { name: \"l1\" } }\n"
      "step { hypercall { update_va_mapping { at { frame { name: \"l1\" } } pte { frame { name: \"l1\" } flag: PRESENT "
      "} flush: INVLPG } } }\n"
      "step { hypercall { mmuext_op { op { cmd: MMUEXT_PIN_L1_TABLE frame { name: \"l1\" } } } } }\n"
      "step { hypercall { mmu_update { request { entry { table { name: \"l1\" } slot: 3 } pte { frame { name: "
      "\"theirs\" } flag: [PRESENT, RW] } }\n"
      "  foreigndom: 1 } } expect { frame { frame { name: \"theirs\" } type: WRITABLE type_count: 2 count: 3 } } }\n"
      "step { vcpu: 1 hypercall { vm_assist { cmd: 0 type: 2 } } }\n");
  EXPECT_EQ(findings_of(j), "");
}

}  // namespace
}  // namespace pvmmu::tools
