#include "tools/import.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hypervisor-model/machine/page_info.h"
#include "tests/scratch_directory.h"
#include "tests/tools/recordings.h"
#include "tests/tools/small_capture.h"
#include "tools/command.h"
#include "tools/replay.h"

namespace pvmmu::tools {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class import_test : public testing::Test {
 protected:
  import_result import() {
    capture.write(prefix);
    return import_capture(prefix, file);
  }

  /// What importing the capture is refused with.
  std::string refusal() {
    try {
      import();
    } catch (const input_error& e) {
      EXPECT_FALSE(std::filesystem::exists(file));
      return e.what();
    }
    return "nothing was refused";
  }

  scratch_directory scratch;
  small_capture capture;
  std::string prefix = scratch.path("small");
  std::string file = scratch.path("small.rec");
};

// What a capture does not say is found out: the machine's size, the domain's frames, the kernel's and the user's L4.
TEST_F(import_test, finds_out_what_the_capture_does_not_say) {
  const import_result result = import();
  EXPECT_EQ(result.machine_frames, 2048u);
  EXPECT_EQ(result.domain_frames, 16u);
  EXPECT_EQ(result.tables, 3u);
  EXPECT_EQ(result.pieces, 1u);
  EXPECT_EQ(result.file_bytes, std::filesystem::file_size(file));

  const auto records = read_records(file);
  EXPECT_EQ(records[0].header().guest(), "small");
  EXPECT_TRUE(records[0].header().real());
  EXPECT_EQ(records[1].snapshot().vcpus(0).kernel_mfn(), small_capture::kernel_l4);
  EXPECT_EQ(records[1].snapshot().vcpus(0).user_mfn(), small_capture::user_l4);
}

// A whole capture, imported and replayed: the call's result, every frame and every table as captured.
TEST_F(import_test, what_is_imported_replays) {
  import();
  const replay_report report = replay(file, false);
  EXPECT_EQ(report.verdict(), "0 results differ, 0 frames differ, 0 table entries differ");
  EXPECT_EQ(report.calls, 1u);
  EXPECT_EQ(report.frames_compared, 256u + 1 + 16 + 1);  // dom_io's, dom_xen's, the domain's, and the one that is none
  EXPECT_EQ(report.tables_compared, 4u);
}

// A compressed capture is the same recording.
TEST_F(import_test, reads_xz) {
  import();
  const auto plain = read_through(file);
  for (const char* suffix : {".ft0", ".ft1", ".jsonl"}) compress(prefix + suffix);
  import_capture(prefix, file);
  EXPECT_EQ(read_through(file), plain);
}

// Truncated xz files are named, wherever they end.
TEST_F(import_test, names_a_truncated_xz_file) {
  capture.write(prefix);
  compress(prefix + ".ft0");
  const std::string whole = read_bytes(prefix + ".ft0.xz");
  for (std::size_t bytes = 0; bytes < whole.size(); bytes += 16) {
    write_bytes(prefix + ".ft0.xz", whole.substr(0, bytes));
    try {
      import_capture(prefix, file);
      FAIL() << "cut to " << bytes << " bytes";
    } catch (const input_error& e) {
      EXPECT_THAT(e.what(), AllOf(HasSubstr("small.ft0.xz"), HasSubstr("damaged or no xz file")));
    }
  }
}

// A multicall's entries, their results, and contents seen before one of them, become one piece.
TEST_F(import_test, puts_a_multicall_together) {
  capture.lines.insert(capture.lines.begin() + 3,
                       {R"({"e":"do_multicall","nr":2})",
                        R"({"e":"do_update_va_mapping","va":"ffff888000404000","val":"404061","flags":"1"})",
                        R"({"e":"ret","of":"do_update_va_mapping","rc":-22})",
                        R"({"e":"content","mfn":1029,"when":"validate","pte":{}})",
                        R"({"e":"do_mmuext_op","count":1,"fd":32752,"op":[[0,"405","0"]]})",
                        R"({"e":"ret","of":"do_mmuext_op","rc":26})", R"({"e":"ret","of":"do_multicall","rc":13})"});
  EXPECT_EQ(import().pieces, 2u);
  for (const recording::record& record : read_records(file)) {
    if (!record.has_piece()) continue;
    const recording::piece& piece = record.piece();
    ASSERT_EQ(piece.call().multicall().call_list_size(), 2);
    EXPECT_EQ(piece.call().multicall().nr_calls(), 2u);
    EXPECT_EQ(piece.call().multicall().call_list(0).update_va_mapping().va(), 0xffff888000404000u);
    EXPECT_EQ(piece.outcome().result(), 13);
    EXPECT_EQ(piece.outcome().entries(0).result(), -22);
    EXPECT_EQ(piece.outcome().entries(1).result(), 26);
    ASSERT_EQ(piece.contents_size(), 1);
    EXPECT_EQ(piece.contents(0).before_entry(), 1u);
    EXPECT_EQ(piece.contents(0).table().mfn(), 0x405u);
    break;
  }
}

struct bad_line {
  std::size_t at;  ///< line, from 1
  const char* text;
  const char* complaint;
};

// Each kind of wrong line is refused with file, line and what was expected.
TEST_F(import_test, names_the_line_and_what_it_expects) {
  const std::vector<bad_line> bad_lines = {
      {1, "{", "no JSON"},
      {1, "[]", "a JSON object is expected"},
      {1, "{}", R"(a field "e" is expected)"},
      {1, R"({"e":7})", R"("e" is expected to be a string)"},
      {1, R"({"e":"content","when":"start","pte":{}})", R"(a field "mfn" is expected)"},
      {1, R"({"e":"content","mfn":-1,"when":"start","pte":{}})", R"("mfn" is expected to be an integer of 0 to)"},
      {1, R"({"e":"content","mfn":4096,"when":"start","pte":{}})", "mfn 4096: frames below 2048 are expected"},
      {1, R"({"e":"content","mfn":1024,"when":"now","pte":{}})", "start, validate or end"},
      {1, R"({"e":"content","mfn":1024,"when":"start","pte":[]})", "an object of slots and entries"},
      {1, R"({"e":"content","mfn":1024,"when":"start","pte":{"512":"0"}})", "0 to 511 are expected"},
      {1, R"({"e":"content","mfn":1024,"when":"start","pte":{"x":"0"}})", "0 to 511 are expected"},
      {1, R"({"e":"content","mfn":1024,"when":"start","pte":{"1":"xyz"}})", "1 to 16 hexadecimal digits"},
      {1, R"({"e":"content","mfn":1024,"when":"start","pte":{"1":"12345678123456781"}})", "1 to 16 hexadecimal digits"},
      {5, R"({"e":"do_mmu_update","count":4294967296,"fd":32752,"req":[]})", R"("count" is expected to be)"},
      {5, R"({"e":"do_mmu_update","count":1,"fd":32752,"req":[["1"]]})", "lists of 2 values"},
      {5, R"({"e":"do_mmuext_op","count":1,"fd":32752,"op":7})", R"("op" is expected to be a list)"},
      {5, R"({"e":"do_memory_op","args":["1"]})", R"(a call "do_memory_op")"},
      {6, R"({"e":"do_multicall","nr":1})", "a call within the do_mmuext_op of line 5"},
      {6, R"({"e":"ret","of":"do_mmu_update","rc":0})", "the ret of a do_mmu_update within the do_mmuext_op of line 5"},
      {6, R"({"e":"ret","of":"do_mmuext_op","rc":"0"})", R"("rc" is expected to be an integer)"},
      {5, R"({"e":"ret","of":"do_mmuext_op","rc":0})", "the ret of a do_mmuext_op that did not begin"},
      {6, R"({"e":"content","mfn":1024,"when":"end","pte":{}})", "contents of the end within a call"},
      {7, R"({"e":"content","mfn":1024,"when":"start","pte":{}})", "contents of the start are expected before"},
  };
  const std::vector<std::string> good = capture.lines;
  for (const bad_line& bad : bad_lines) {
    capture.lines = good;
    capture.lines[bad.at - 1] = bad.text;
    EXPECT_THAT(refusal(),
                AllOf(HasSubstr(prefix + ".jsonl:" + std::to_string(bad.at) + ": "), HasSubstr(bad.complaint)))
        << bad.text;
  }
}

// A file that ends within a call, or has lines without an end, is no capture.
TEST_F(import_test, names_the_call_that_never_returned) {
  capture.lines.resize(5);
  EXPECT_THAT(refusal(), HasSubstr("the file ends within the do_mmuext_op of line 5"));
  capture.lines = {std::string((1 << 20) + 1, ' ')};
  EXPECT_THAT(refusal(), HasSubstr("a line is longer than 1048576 bytes"));
}

// Frame tables of different sizes, cut ones, absent ones are named.
TEST_F(import_test, refuses_frame_tables_that_do_not_fit) {
  capture.after.pop_back();
  EXPECT_THAT(refusal(), AllOf(HasSubstr("small.ft1: 2047 frames"), HasSubstr("2048 in")));
  capture = {};
  capture.write(prefix);
  write_bytes(prefix + ".ft0", std::string(33, '\0'));
  EXPECT_THROW(import_capture(prefix, file), input_error);
  std::filesystem::remove(prefix + ".ft0");
  try {
    import_capture(prefix, file);
    FAIL();
  } catch (const input_error& e) {
    EXPECT_THAT(e.what(), AllOf(HasSubstr("neither"), HasSubstr("small.ft0.xz"), HasSubstr("No such file")));
  }
}

// Where the tables' owners or the loaded L4s cannot be told, the capture says which frame stands in the way.
TEST_F(import_test, refuses_what_it_cannot_tell) {
  capture.before[small_capture::l3].owner = 99;
  EXPECT_THAT(refusal(), AllOf(HasSubstr("one domain's are expected"), HasSubstr("mfn 0x402")));
  capture = {};
  capture.before[0x310] = {xen::PGC_allocated | 1, 0, 99};
  EXPECT_THAT(refusal(), HasSubstr("4 owners were found"));
  capture = {};
  --capture.before[small_capture::user_l4].type_info;
  EXPECT_THAT(refusal(), HasSubstr("1 L4s have one type reference more than their pin"));
  capture = {};
  capture.lines[1] = capture.lines[0];  // no table of the user's, and so only one that can be told
  EXPECT_THAT(refusal(), HasSubstr("two are expected"));
}

}  // namespace
}  // namespace pvmmu::tools
