#include "tools/scenario.h"

#include <gmock/gmock.h>

namespace pvmmu::tools {
namespace {

constexpr std::string_view sound_start =
    "domain { kind: DOM0 kernel { profile: \"6.1\" } }\nstep { exec { mm: \"a\" } }\n";

std::string complaint(const std::string& text) {
  try {
    scenario_file::parse("f", text);
  } catch (const input_error& e) {
    return e.what();
  }
  return "";
}

// A scenario that is right is read, and knows where its fields stand.
TEST(scenario_file, knows_where_fields_stand) {
  const auto file =
      scenario_file::parse("f", std::string(sound_start) + "step {\n  mmap { va: 0x1000 bytes: 0x1000 }\n}\n");
  const auto& step = file.content().step(1);
  EXPECT_EQ(file.locate(step).text(), "f:3:1");
  EXPECT_EQ(file.locate(step, "mmap").text(), "f:4:3");
  EXPECT_EQ(file.locate(step.mmap(), "bytes").text(), "f:4:21");
  EXPECT_EQ(file.locate(step.mmap(), "mm").text(), "f:4:3") << "an absent field stands where its message stands";
}

struct bad_file {
  std::string text;      ///< the scenario
  std::string place;     ///< of the complaint
  std::string expected;  ///< part of what the complaint says
};

std::ostream& operator<<(std::ostream& out, const bad_file& b) { return out << b.text; }

class bad_scenario : public testing::TestWithParam<bad_file> {};

// Whatever is wrong, the complaint names file, line and column, and says what was expected.
TEST_P(bad_scenario, is_refused_with_its_place) {
  const std::string said = complaint(GetParam().text);
  EXPECT_THAT(said, testing::StartsWith("f:" + GetParam().place + ": "));
  EXPECT_THAT(said, testing::HasSubstr(GetParam().expected));
}

std::vector<bad_file> files_with_bad_grammar() {
  return {
      {"domain { kind: DOM0", "1:20", "Expected"},
      {"domain {\n  colour: 1 }", "2:9", "expected one of kind, pages, vcpus, kernel"},
      {"nonsense", "1:9", "expected one of title, machine, domain, step"},
      {"domain { kind: DOM7 }", "1:21", "expected one of DOM0, DOMU"},
      {"domain { pages: many }", "1:17", "integer"},
      {"domain { vcpus: 99999999999 }", "1:17", "range"},
      {"domain { pages: -1 }", "1:17", "integer"},
      {"title: 3", "1:8", "string"},
      {"step { suspend { fast: true } }", "1:22", "expected none: write {}"},
      {"step { exec {} exit_mmap {} }", "1:26", "oneof"},
      {"title: \"a\" title: \"b\"", "1:17", "multiple times"},
      {"title: \"a", "1:10", "string"},
  };
}
INSTANTIATE_TEST_SUITE_P(grammar, bad_scenario, testing::ValuesIn(files_with_bad_grammar()));

std::vector<bad_file> files_with_a_bad_world() {
  return {
      {"", "1:1", "needs a domain"},
      {"step { suspend {} }", "1:1", "needs a domain"},
      {"domain {}", "1:1", "needs a step"},
      {"machine { frames: 1023 } domain {} step { alloc_frame { name: \"a\" } }", "1:11", "expected 1024 to 268435456"},
      {"domain { pages: 0 }", "1:10", "expected 1 to 262144"},
      {"domain { pages: 262145 }", "1:10", "expected 1 to 262144"},
      {"domain { vcpus: 65 }", "1:10", "expected 1 to 64"},
      {"domain { vcpus: 0 }", "1:10", "expected 1 to 64"},
      {"domain { kind: 9 }", "1:10", "expected one of DOM0, DOMU"},
      {"domain {\n kernel { profile: \"7.9\" } }", "2:11", "expected one of 4.17, 4.18"},
      {"domain {\n kernel {} }", "2:2", "profile is \"\""},
      {"domain { kernel { profile: \"6.1\" nr_cpus: 0 } }", "1:34", "expected 1 to 8192"},
  };
}
INSTANTIATE_TEST_SUITE_P(world, bad_scenario, testing::ValuesIn(files_with_a_bad_world()));

/// Line 3 of a file that is sound so far, with a process "a" on vCPU 0.
bad_file step(const std::string& body, const std::string& column, const std::string& expected) {
  return {std::string(sound_start) + "step { " + body + " }", "3:" + column, expected};
}

std::vector<bad_file> steps_that_cannot_be() {
  return {
      step("", "1", "something to do"),
      step("note: \"x\"", "1", "something to do"),
      step("domain: 1 suspend {}", "8", "domain is 1: expected 0 to 0"),
      step("vcpu: 1 suspend {}", "8", "vcpu is 1: expected 0 to 0"),
      step("exec {}", "8", "a name"),
      step("exec { mm: \"a\" }", "15", "exists already"),
      step("exec { mm: \"b\" replaces: \"a\" }", "8", "needs an image"),
      step("exec { mm: \"b\" replaces: \"c\" image {} }", "23", "no mm \"c\""),
      step("exec { mm: \"b\" image {} }", "23", "one area of kind STACK, not 0"),
      step("exec { mm: \"b\" image { area { kind: STACK va: 1 bytes: 0x1000 } } }", "50", "whole pages"),
      step("exec { mm: \"b\" image { area { kind: STACK va: 0x1000 bytes: 0x1000 } area { va: 0 bytes: 1 } } }", "77",
           "a file"),
      step("mm_alloc { mm: \"a\" }", "19", "exists already"),
      step("activate_mm {}", "8", "a name"),
      step("activate_mm { mm: \"b\" }", "22", "no mm \"b\""),
      step("switch_mm { mm: \"b\" }", "20", "no mm \"b\""),
      step("exit_mmap { mm: \"b\" }", "20", "no mm \"b\""),
      step("fork { mm: \"b\" child: \"c\" }", "15", "no mm \"b\""),
      step("fork {}", "8", "expected child: \"a\""),
      step("fork { child: \"a\" }", "15", "exists already"),
      step("resume {}", "8", "not suspended"),
      step("mmap { mm: \"b\" va: 0x1000 bytes: 0x1000 }", "15", "no mm \"b\""),
      step("mmap { va: 0x1001 bytes: 0x1000 }", "15", "whole pages"),
      step("mmap { va: 0x800000000000 bytes: 0x1000 }", "15", "below 0x800000000000"),
      step("mmap { va: 0x1000 }", "8", "bytes is 0x0"),
      step("munmap { va: 0x1000 bytes: 7 }", "28", "whole pages"),
      step("mprotect { va: 0x1000 bytes: 0xfffffffffffff000 }", "30", "below 0x800000000000"),
      step("touch { va: 0x7ffffffff000 bytes: 0x2000 }", "35", "below 0x800000000000"),
      step("mremap { old_va: 1 new_va: 0x1000 bytes: 0x1000 }", "17", "old_va is 0x1"),
      step("mremap { old_va: 0x1000 new_va: 1 bytes: 0x1000 }", "32", "new_va is 0x1"),
      step("read { va: 4 }", "15", "multiple of 8"),
      step("write { va: 0xffffffff80000000 }", "16", "multiple of 8 below"),
      step("mremap { old_va: 0x1000 bytes: 0x1000 new_bytes: 5 }", "46", "new_bytes is 0x5"),
      step("create_file { bytes: 0x1000 }", "8", "a name"),
      step("create_file { name: \"f\" bytes: 5 }", "32", "whole pages"),
      step("mmap { va: 0x1000 bytes: 0x1000 file: \"f\" }", "40", "no file \"f\""),
      step("mmap { va: 0x1000 bytes: 0x1000 shared: true file: \"f\" }", "40", "no shared"),
      step("mmap { va: 0x1000 bytes: 0x1000 none: true read_only: true }", "8", "at most one"),
      step("madvise_dontneed { va: 5 bytes: 0x1000 }", "27", "whole pages"),
      step("uffdio_copy { va: 0x1000 from: 7 bytes: 0x1000 }", "33", "from is 0x7"),
      step("brk { end: 0x800000000000 }", "14", "expected 0 to"),
      step("alloc_frame {}", "8", "a name"),
      {"domain {}\nstep { suspend {} }", "2:8", "needs a kernel in domain 0"},
      {std::string(sound_start) + "step { switch_mm {} }\nstep { read { va: 0 } }", "4:8", "no mm loaded"},
      {std::string(sound_start) + "step { suspend {} }\nstep { read { va: 0 } }", "4:8", "suspended"},
      {std::string(sound_start) + "step { exit_mmap { mm: \"a\" } }\nstep { read { mm: \"a\" va: 0 } }", "4:15",
       "no mm"},
      {std::string(sound_start) + "step { alloc_frame { name: \"x\" } }\nstep { alloc_frame { name: \"x\" } }", "4:22",
       "exists already"},
  };
}
INSTANTIATE_TEST_SUITE_P(steps, bad_scenario, testing::ValuesIn(steps_that_cannot_be()));

/// Line 2 of a file whose domain has no kernel, and a frame "a" that is not mapped.
bad_file bare_step(const std::string& body, const std::string& column, const std::string& expected) {
  return {"domain {} step { alloc_frame { name: \"a\" begins: UNMAPPED } }\nstep { " + body + " }", "2:" + column,
          expected};
}

std::vector<bad_file> frames_and_words_that_cannot_be() {
  return {
      step("alloc_frame { name: \"x\" begins: UNMAPPED }", "32", "domain 0 has a kernel"),
      step("alloc_frame { name: \"x\" contents { value: 1 } }", "32", "domain 0 has a kernel"),
      step("access { at { window: 1 } }", "22", "has no window"),
      step("access { at { frame { name: \"window_l1\" } } }", "30", "no frame \"window_l1\""),
      bare_step("alloc_frame { name: \"probe_l4\" }", "22", "exists already"),
      bare_step("alloc_frame { name: \"x\" begins: UNTOUCHED contents { value: 1 } }", "50", "expected no contents"),
      bare_step("alloc_frame { name: \"x\" contents { slot: 512 value: 1 } }", "43", "expected 0 to 511"),
      bare_step("alloc_frame { name: \"x\" contents { slot: 510 count: 3 value: 1 } }", "53", "expected 1 to 2"),
      bare_step("alloc_frame { name: \"x\" contents { slot: 5 } }", "32", "value, pte or word"),
      bare_step("alloc_frame { name: \"x\" contents { pte { frame { name: \"y\" } } } }", "57", "no frame \"y\""),
      bare_step("access { at { frame { name: \"a\" } } }", "22", "\"a\" is not mapped"),
      bare_step("access { at { window: 512 } }", "22", "expected 0 to 511"),
      bare_step("access { at { word { probe_l4_entry: 512 } } }", "29", "expected 0 to 511"),
      bare_step("access { at { va: 1 } expected: 1 expected_word {} }", "30", "given twice"),
      bare_step("hypercall { raw { arg {} arg {} arg {} arg {} arg {} arg {} } }", "61", "at most five"),
      bare_step("hypercall { raw { adopt_blob: 0 } }", "26", "expected the number of a blob"),
      bare_step("hypercall { raw { blob {} adopt_blob: 0 } }", "20", "a name to begin with"),
      bare_step("hypercall { set_gdt { frame { name: \"a\" } word {} } }", "50", "given twice"),
      bare_step("hypercall { mmuext_op { op { high_cmd: 3 } } }", "37", "expected 2147483648"),
      bare_step("hypercall { update_va_mapping { at { va: 1 } flags: 1 scope: ALL } }", "53",
                "flags hold flush and scope"),
  };
}
INSTANTIATE_TEST_SUITE_P(words, bad_scenario, testing::ValuesIn(frames_and_words_that_cannot_be()));

std::vector<bad_file> calls_that_cannot_be() {
  return {
      step("hypercall {}", "8", "a call"),
      step("access {}", "8", "an address"),
      step("access { at {} }", "17", "va, frame, window"),
      step("access { at { va: 1 } bytes: 3 }", "30", "1, 2, 4 or 8"),
      step("access { at { va: 1 } kind: 5 }", "30", "READ, WRITE, XCHG, CMPXCHG, LOAD_SELECTOR"),
      step("access { at { frame {} } }", "22", "to say which"),
      step("access { at { frame { name: \"x\" } } }", "30", "no frame \"x\""),
      step("access { at { frame { pfn: 16384 } } }", "30", "expected 0 to 16383"),
      step("access { at { frame { table { level: 5 } } } }", "38", "expected 1 to 4"),
      step("access { at { frame { table { level: 1 mm: \"b\" } } } }", "47", "no mm \"b\""),
      step("access { at { va: 1 } pte { frame { name: \"x\" } } }", "44", "no frame \"x\""),
      step("hypercall { mmu_update { request { val: 1 } } }", "33", "a target"),
      step("hypercall { mmu_update { request { ptr: 1 command: MMU_MACHPHYS_UPDATE } } }", "50",
           "ptr holds the command"),
      step("hypercall { mmu_update { request { entry {} } } }", "43", "to say which"),
      step("hypercall { mmu_update { request { entry { table { mfn: 1 } slot: 512 } } } }", "68", "expected 0 to 511"),
      step("hypercall { mmu_update { request { entry { of { level: 1 } slot: 1 } } } }", "67", "slot goes with table"),
      step("hypercall { mmu_update { request { machphys { mfn: 1 } command: MMU_PT_UPDATE_PRESERVE_AD } } }", "63",
           "expected no other"),
      step("hypercall { mmu_update { count: 4294967296 } }", "40", "range"),
      step("hypercall { mmu_update { done: 5 } }", "33", "WRITABLE, UNWRITABLE, ABSENT"),
      step("hypercall { mmuext_op { op { cmd: -1 } } }", "37", "a number from 0 on"),
      step("hypercall { mmuext_op { op { frame { name: \"x\" } } } }", "45", "no frame \"x\""),
      step("hypercall { update_va_mapping {} }", "20", "an address"),
      step("hypercall { update_va_mapping { at { va: 1 } vcpumask: 1 } }", "53", "scope: MASK"),
      step("hypercall { update_va_mapping { at { va: 1 } otherdomain: 65536 } }", "53", "expected 0 to 65535"),
      step("hypercall { multicall { call {} } }", "32", "a call"),
      step("hypercall { multicall { call { multicall { call { multicall {} } } } } }", "58", "two at most"),
      step("hypercall { set_gdt { frame {} } }", "30", "to say which"),
      step("hypercall { update_descriptor {} }", "20", "maddr or entry"),
  };
}
INSTANTIATE_TEST_SUITE_P(calls, bad_scenario, testing::ValuesIn(calls_that_cannot_be()));

std::vector<bad_file> expectations_that_cannot_be() {
  const std::string call = "hypercall { vm_assist {} } ";  // 27 columns from column 8
  return {
      step("suspend {} expect { result: 0 }", "28", "of a hypercall only"),
      step("suspend {} expect { value: 0 }", "28", "of read, kernel_read and access only"),
      step("suspend {} expect { guest_fault {} }", "28", "of access only"),
      step(call + "expect { done: 0 }", "44", "of mmu_update and mmuext_op only"),
      step(call + "expect { done_not_written: true }", "44", "of mmu_update and mmuext_op only"),
      step(call + "expect { entry_result: 0 }", "44", "of a multicall only"),
      step(call + "expect { error: \"EINVAL\" }", "44", "-EPERM, -ENOENT"),
      step(call + "expect { result: 0 error: \"-EINVAL\" }", "54", "not both"),
      step(call + "expect { call: \"vm_assist\" call: \"mmu_updates\" }", "62", "NAME one of mmu_update"),
      step(call + "expect { call: \"mmu_update x0\" }", "44", "NAME xN"),
      step(call + "expect { failed { call: \"x\" error: \"-EINVAL\" } }", "53", "mmu_update"),
      step(call + "expect { failed { call: \"mmu_update\" error: \"x\" } }", "72", "-EPERM"),
      step(call + "expect { xen_message: \"\" }", "44", "part of a line"),
      step(call + "expect { linux_message: \"\" }", "44", "part of a line"),
      step(call + "expect { stopped: 9 }", "44", "DOMAIN_CRASHED"),
      step(call + "expect { frame { type: L1 } }", "44", "a frame"),
      step(call + "expect { frame { frame { name: \"x\" } } }", "60", "no frame \"x\""),
      step(call + "expect { frame { frame { mfn: 1 } type: L5 } }", "78", "NONE, L1, L2"),
  };
}
INSTANTIATE_TEST_SUITE_P(expectations, bad_scenario, testing::ValuesIn(expectations_that_cannot_be()));

// A file that cannot be read is the user's mistake, and so is one that is far too large to be a scenario.
TEST(scenario_file, refuses_what_is_no_scenario_file) {
  EXPECT_THROW(scenario_file::read("/nowhere/at/all"), input_error);
  EXPECT_THROW(scenario_file::read("/"), input_error);
  EXPECT_THROW(scenario_file::read("/dev/zero"), input_error);
  EXPECT_THAT(complaint(std::string(std::size_t{1} << 23, ' ')), testing::HasSubstr("too large"));
  std::string deep = "step { hypercall { ";
  for (int i = 0; i < 100; ++i) deep += "multicall { call { ";
  EXPECT_THAT(complaint(deep), testing::HasSubstr("f:1:"));
}

}  // namespace
}  // namespace pvmmu::tools
