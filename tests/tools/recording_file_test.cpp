#include "tools/recording_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <random>

#include "tests/scratch_directory.h"
#include "tests/tools/recordings.h"
#include "tools/recording_codec.h"

namespace pvmmu::tools {
namespace {

using testing::AllOf;
using testing::AnyOf;
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

/// The pieces of a file that must be torn, or the error.
std::expected<u64, std::string> read_torn(const std::string& path) {
  auto reader = recording_reader::open(path);
  if (!reader) return std::unexpected(reader.error());
  for (u64 pieces = 0;; ++pieces) {
    const auto record = reader->next();
    if (!record) return std::unexpected(record.error());
    if (*record) continue;
    EXPECT_TRUE(reader->torn());
    return pieces;
  }
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

// A file that is written live is there from the beginning, and needs no finish to be read.
TEST(recording_file, can_be_read_while_it_is_written) {
  const scratch_directory scratch;
  const std::string path = scratch.path("live.rec");
  auto writer = recording_writer::create_live(path);
  ASSERT_TRUE(writer);
  writer->add(header_record());
  for (u64 i = 0; i < 3; ++i) {
    writer->add(piece_record(i));
    EXPECT_TRUE(writer->flush());
    EXPECT_EQ(read_torn(path), i + 1);
  }
  EXPECT_TRUE(writer->finish());
  EXPECT_EQ(read_records(path).size(), 4u);
}

// A full disk is an error that `flush` tells at once, and `finish` in words.
TEST(recording_file, says_why_it_cannot_go_on) {
  auto writer = recording_writer::create_live("/dev/full");
  ASSERT_TRUE(writer);
  writer->add(header_record());
  EXPECT_FALSE(writer->flush());
  EXPECT_THAT(writer->finish().error(), HasSubstr("/dev/full: cannot be written: No space left"));
}

// A directory that does not exist is an error of the environment with its reason, not a silent nothing.
TEST(recording_file, says_why_it_cannot_write) {
  const auto writer = recording_writer::create("/nonexistent/x.rec");
  ASSERT_FALSE(writer);
  EXPECT_THAT(writer.error(), AllOf(HasSubstr("/nonexistent/x.rec"), HasSubstr("No such file")));
}

// Cut at any byte, a live file opens with all records that were whole by then, and says what its end lacks. Before its
// header is whole there is nothing to open, which is an error.
TEST(recording_file, holds_what_is_whole_where_it_is_cut) {
  const scratch_directory scratch;
  const std::string path = scratch.path("live.rec");
  std::vector<std::size_t> ends;  // of the file's bytes, once the header and so many pieces were written
  {
    auto writer = recording_writer::create_live(path);
    ASSERT_TRUE(writer);
    writer->add(header_record());
    for (u64 i = 0; i < 100; ++i) {
      ends.push_back(std::filesystem::file_size(path));
      writer->add(piece_record(i * i * i));
      writer->flush();
    }
    ends.push_back(std::filesystem::file_size(path));
    ASSERT_TRUE(writer->finish());
  }
  const std::string whole = read_bytes(path);
  ASSERT_GT(whole.size(), 1024u);
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
    write_bytes(path, whole.substr(0, bytes));
    const auto pieces = read_torn(path);
    const auto expected = std::ranges::upper_bound(ends, bytes) - ends.begin() - 1;
    if (expected >= 0)
      ASSERT_EQ(pieces, static_cast<u64>(expected)) << "cut to " << bytes << " bytes";
    else
      ASSERT_THAT(pieces.error(),
                  HasSubstr(bytes < recording_magic.size() ? "no recording" : "a header is expected: the "))
          << "cut to " << bytes << " bytes";
  }
}

// The same at the end of a real recording, written anew in the newer format.
TEST(recording_file, opens_a_real_recording_cut_in_its_last_kilobyte) {
  const scratch_directory scratch;
  const std::string path = scratch.path("cut.rec");
  write_records(path, read_records(recording_path("l61-exec")));
  const std::string whole = read_bytes(path);
  for (std::size_t bytes = whole.size() - 1024; bytes < whole.size(); ++bytes) {
    write_bytes(path, whole.substr(0, bytes));
    ASSERT_TRUE(read_torn(path)) << "cut to " << bytes << " bytes: " << read_torn(path).error();
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
  EXPECT_THAT(read_through(path).error(), HasSubstr("the end record is missing"));
  write_bytes(path, whole.substr(0, begins[1]) + whole.substr(begins[2]));
  EXPECT_THAT(read_through(path).error(), HasSubstr("the chunk's checksum is"));
}

// Where zlib streams begin a reader can begin as well, and finds what it would have found there from the beginning on.
TEST(recording_file, can_be_entered_where_a_stream_begins) {
  const scratch_directory scratch;
  const std::string path = large_file(scratch);
  const auto places = find_streams(path);
  ASSERT_GE(places.size(), 3u);
  auto reader = recording_reader::open(path);
  ASSERT_TRUE(reader);
  for (auto place = places.rbegin(); place != places.rend(); ++place) {
    reader->go_to(*place);
    u64 pieces = place->pieces_before;
    for (auto record = reader->next(); record && *record; record = reader->next())
      EXPECT_EQ((*record)->piece().contents(0).table().mfn(), pieces++);
    EXPECT_EQ(pieces, 200u);
    EXPECT_FALSE(reader->torn());
  }
}

// What is sealed can be read without what was before it.
TEST(recording_file, begins_a_stream_where_it_is_sealed) {
  const scratch_directory scratch;
  const std::string path = scratch.path("sealed.rec");
  auto writer = recording_writer::create_live(path);
  writer->add(header_record());
  writer->add(piece_record(1));
  writer->seal();
  writer->add(piece_record(2));
  ASSERT_TRUE(writer->finish());
  const auto places = find_streams(path);
  ASSERT_EQ(places.size(), 2u);
  EXPECT_EQ(places[1].pieces_before, 1u);
  auto reader = recording_reader::open(path);
  reader->go_to(places[1]);
  EXPECT_EQ((*reader->next())->piece().call().update_va_mapping().va(), 2u);
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
    ASSERT_THAT(read.error(), AnyOf(HasSubstr(path + ": at byte "), HasSubstr(path + " is torn")))
        << "bit " << bit << " flipped";
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
  EXPECT_THAT(read.error(), AllOf(HasSubstr("4294967295 bytes"), HasSubstr("at most 8388608")));
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
  EXPECT_THAT(read_through(path).error(), AllOf(HasSubstr("format 7"), HasSubstr("reads formats 1 to 2")));

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
