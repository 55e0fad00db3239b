#include "tools/recording_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <random>

#include "tests/tools/recordings.h"
#include "tools/recording_codec.h"

namespace pvmmu::tools {
namespace {

using testing::AllOf;
using testing::HasSubstr;

recording::record header_record() {
  recording::record record;
  record.mutable_header()->set_format_version(recording_format_version);
  record.mutable_header()->set_guest("a test");
  record.mutable_header()->set_machine_frames(4096);
  return record;
}

recording::record piece_record(u64 va) {
  recording::record record;
  record.mutable_piece()->mutable_call()->mutable_update_va_mapping()->set_va(va);
  return record;
}

/// A small file of `pieces` pieces.
std::string small_file(const scratch_directory& scratch, int pieces) {
  std::vector<recording::record> records{header_record()};
  for (int i = 0; i < pieces; ++i) records.push_back(piece_record(0x1000ull * static_cast<unsigned>(i)));
  const std::string path = scratch.path("small.rec");
  write_records(path, records);
  return path;
}

// What was written is read again, in order, and nothing else.
TEST(recording_file, reads_what_was_written) {
  const scratch_directory scratch;
  const auto records = read_records(small_file(scratch, 100));
  ASSERT_EQ(records.size(), 101u);
  EXPECT_EQ(records[0].header().guest(), "a test");
  EXPECT_EQ(records[100].piece().call().update_va_mapping().va(), 99u * 0x1000);
}

/// A file of several chunks: pieces with tables of random entries, which do not compress.
std::string large_file(const scratch_directory& scratch) {
  std::mt19937_64 random(1);
  std::vector<recording::record> records{header_record()};
  for (u64 i = 0; i < 200; ++i) {
    records.push_back(piece_record(i));
    table_words words;
    for (pte_t& entry : words) entry = random();
    *records.back().mutable_piece()->add_contents()->mutable_table() = encode_table({i}, words);
  }
  const std::string path = scratch.path("large.rec");
  write_records(path, records);
  return path;
}

/// Where the chunks of a recording begin, in bytes.
std::vector<std::size_t> chunk_begins(const std::string& bytes) {
  std::vector<std::size_t> begins;
  for (std::size_t at = recording_magic.size(); at < bytes.size();) {
    begins.push_back(at);
    u32 size = 0;
    std::copy_n(bytes.data() + at, sizeof size, reinterpret_cast<char*>(&size));
    at += sizeof size + size;
  }
  return begins;
}

// Many chunks make one sequence, of which nothing is lost or doubled.
TEST(recording_file, reads_chunks_as_one_sequence) {
  const scratch_directory scratch;
  const std::string path = large_file(scratch);
  EXPECT_GT(chunk_begins(read_bytes(path)).size(), 1u);
  const auto records = read_records(path);
  ASSERT_EQ(records.size(), 201u);
  for (u64 i = 0; i < 200; ++i) EXPECT_EQ(records[i + 1].piece().contents(0).table().mfn(), i);
}

// A file that was not finished does not exist, so that nobody takes it for whole.
TEST(recording_file, leaves_nothing_without_finish) {
  const scratch_directory scratch;
  const std::string path = scratch.path("torn.rec");
  {
    auto writer = recording_writer::create(path);
    ASSERT_TRUE(writer);
    writer->add(header_record());
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_FALSE(std::filesystem::exists(path + ".part"));
}

// A directory that does not exist is an error of the environment with its reason, not a silent nothing.
TEST(recording_file, says_why_it_cannot_write) {
  const auto writer = recording_writer::create("/nonexistent/x.rec");
  ASSERT_FALSE(writer);
  EXPECT_THAT(writer.error(), AllOf(HasSubstr("/nonexistent/x.rec"), HasSubstr("No such file")));
}

// However short a file was cut, the reader says so; it names the file and a byte of it.
TEST(recording_file, names_every_truncation) {
  const scratch_directory scratch;
  const std::string whole = read_bytes(small_file(scratch, 20));
  const std::string path = scratch.path("cut.rec");
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
    write_bytes(path, whole.substr(0, bytes));
    const auto read = read_through(path);
    ASSERT_FALSE(read) << "cut to " << bytes << " bytes";
    ASSERT_THAT(read.error(), AllOf(HasSubstr(path + ": at byte "),
                                    HasSubstr(bytes < recording_magic.size() ? "no recording" : "torn")))
        << "cut to " << bytes << " bytes";
  }
}

// A recording of several chunks that ends between two of them is torn as well, and so is one that lacks one of them.
TEST(recording_file, names_a_missing_chunk) {
  const scratch_directory scratch;
  const std::string whole = read_bytes(large_file(scratch));
  const auto begins = chunk_begins(whole);
  ASSERT_GE(begins.size(), 3u);
  const std::string path = scratch.path("cut.rec");
  write_bytes(path, whole.substr(0, begins.back()));
  EXPECT_THAT(read_through(path).error(), HasSubstr("ends without an end record"));
  write_bytes(path, whole.substr(0, begins[1]) + whole.substr(begins[2]));
  EXPECT_THAT(read_through(path).error(), HasSubstr("are expected"));
}

// No flipped bit goes unnoticed: every single one in a small file is an error with the file's name and a byte.
TEST(recording_file, notices_every_flipped_bit) {
  const scratch_directory scratch;
  const std::string whole = read_bytes(small_file(scratch, 5));
  const std::string path = scratch.path("flipped.rec");
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::string flipped = whole;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    write_bytes(path, flipped);
    const auto read = read_through(path);
    ASSERT_FALSE(read) << "bit " << bit << " flipped";
    ASSERT_THAT(read.error(), HasSubstr(path + ": at byte ")) << "bit " << bit << " flipped";
  }
}

// The same in a real recording, at random places.
TEST(recording_file, notices_flipped_bits_in_a_real_recording) {
  const u64 seed = std::random_device{}();
  RecordProperty("seed", std::to_string(seed));
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed);
  const scratch_directory scratch;
  const std::string whole = read_bytes(recording_path("l61-pmd_move"));
  const std::string path = scratch.path("flipped.rec");
  for (int i = 0; i < 200; ++i) {
    const std::size_t bit = random() % (whole.size() * 8);
    std::string flipped = whole;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    write_bytes(path, flipped);
    ASSERT_FALSE(read_through(path)) << "bit " << bit << " flipped";
  }
}

// A chunk's announced size is bounded before anything is taken for it, and the error says the bound.
TEST(recording_file, refuses_a_chunk_beyond_the_bound) {
  const scratch_directory scratch;
  const std::string path = scratch.path("large.rec");
  write_bytes(path, std::string(recording_magic) + "\xff\xff\xff\xff");
  const auto read = read_through(path);
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error(), AllOf(HasSubstr("4294967295 bytes"), HasSubstr("at most 1048576")));
}

// Text that is no recording, or another version's, is told what is expected.
TEST(recording_file, says_what_it_expects) {
  const scratch_directory scratch;
  const std::string path = scratch.path("x.rec");
  write_bytes(path, "step { mremap {} }\n");
  EXPECT_THAT(read_through(path).error(), HasSubstr("\"pvmmu-recording\" and a newline are expected"));

  auto header = header_record();
  header.mutable_header()->set_format_version(7);
  write_records(path, {header});
  EXPECT_THAT(read_through(path).error(), AllOf(HasSubstr("format 7"), HasSubstr("reads format 1")));

  EXPECT_THAT(read_through(scratch.path("absent.rec")).error(), HasSubstr("No such file"));
}

// Bytes behind the end record are no part of a recording.
TEST(recording_file, refuses_what_follows_the_end) {
  const scratch_directory scratch;
  const std::string path = small_file(scratch, 1);
  write_bytes(path, read_bytes(path) + "x");
  EXPECT_THAT(read_through(path).error(), HasSubstr("nothing is expected after the end record"));
}

// Any table survives its run-length encoding: empty, full, linear, random, with entries at both ends.
TEST(recording_codec, tables_come_back) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 200; ++i) {
    table_words words{};
    const unsigned density = static_cast<unsigned>(random() % 17);
    for (unsigned slot = 0; slot < entries_per_table; ++slot) {
      if (random() % 16 >= density) continue;
      words[slot] = random() % 4 != 0 && slot != 0 ? words[slot - 1] + 0x1000 : random();
    }
    const auto decoded = decode_table(encode_table({0x1234}, words));
    ASSERT_TRUE(decoded);
    ASSERT_EQ(*decoded, words);
  }
}

// Columns of different lengths, runs beyond the table, and empty ones are refused with what was expected.
TEST(recording_codec, refuses_wrong_columns) {
  recording::table table;
  table.add_skip(510);
  EXPECT_THAT(decode_table(table).error(), HasSubstr("as many of each are expected"));
  table.add_length(3);
  table.add_first(1);
  table.add_step(0);
  EXPECT_THAT(decode_table(table).error(), HasSubstr("a run of 3 entries at slot 510"));
  table.set_length(0, ~u32{0});
  EXPECT_FALSE(decode_table(table));

  recording::frame_runs runs;
  runs.add_length(~u64{0});
  EXPECT_THAT(decode_frames(runs).error(), HasSubstr("as many of each are expected"));
  runs.add_owner(recording::domain);
  runs.add_count_info(0);
  runs.add_type_info(0);
  runs.add_aux(0);
  EXPECT_THAT(decode_frames(runs).error(), HasSubstr("a run of 18446744073709551615 frames"));
  runs.set_length(0, 1);
  runs.set_owner(0, static_cast<recording::frame_owner>(9));
  EXPECT_THAT(decode_frames(runs).error(), HasSubstr("frame owner 9"));
}

}  // namespace
}  // namespace pvmmu::tools
