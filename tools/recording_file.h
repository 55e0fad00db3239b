#pragma once
// A recording's file (proto/recording.proto) as a sequence of records, written and read one by one:
//
//   auto writer = recording_writer::create("x.rec");         // std::expected: every error is a text that names the
//   file writer->add(record);  …  writer->finish();               // without finish() no file is left
//
//   auto live = recording_writer::create_live("x.rec");
//   live->add(record);  live->flush();                         // … is in the file, and stays there, whatever happens
//
//   auto reader = recording_reader::open("x.rec");
//   for (;;) {
//     auto record = reader->next();                          // an error says at which byte what was expected
//     if (!record || !*record) break;                        // damaged, or the file's end
//     use(**record);
//   }
//   if (reader->torn()) …                                    // what the end lacks: whoever wrote it was stopped
//
// The reader checks what belongs to the file as such: sizes before memory is taken, checksums before contents are
// believed, a header first, an end last with the right numbers. What the records say is their reader's business. It
// reads both formats; the writer writes the newer.

#include "recording.pb.h"

#include <cstdio>
#include <expected>
#include <fstream>
#include <memory>
#include <optional>
#include <string>

#include "proto/framing.h"
#include "tools/recording_streams.h"
#include "tools/recording_zlib.h"

namespace pvmmu::tools {

inline constexpr std::string_view recording_magic = "pvmmu-recording\n";
inline constexpr u32 recording_format_version = 2;
/// Enough for the largest request that the channel takes, with its answer.
inline constexpr u32 max_chunk_bytes = u32{1} << 23;
inline constexpr u32 max_unpacked_chunk_bytes = u32{1} << 23;

class recording_writer {
 public:
  /// Writes to `path`.part, which becomes `path` when it is finished, and goes if it never is.
  static std::expected<recording_writer, std::string> create(const std::string& path);
  /// Writes to `path`, which grows from now on and can be read at any time.
  static std::expected<recording_writer, std::string> create_live(const std::string& path);
  recording_writer(recording_writer&&) noexcept = default;
  recording_writer& operator=(recording_writer&&) = delete;
  ~recording_writer();

  /// The first record must be the header. An image of the machine begins a stream.
  void add(const recording::record& record);
  /// What was added is in the file from now on. False: the file cannot be written, nothing is from now on, and `finish`
  /// says why.
  bool flush();
  /// What is added from now on can be read without what is before it.
  void seal();
  u64 pieces() const { return end_.pieces(); }
  /// Of the file, so far.
  u64 bytes() const { return bytes_; }
  /// Adds the end record. Returns the file's size in bytes.
  std::expected<u64, std::string> finish();

 private:
  struct closing {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  recording_writer(std::string path, std::string written_path);
  static std::expected<recording_writer, std::string> begin(std::string path, std::string written_path);
  void write(const void* bytes, std::size_t size);

  std::string path_;
  std::string written_path_;
  std::unique_ptr<std::FILE, closing> out_;  ///< none once finished
  std::string error_;                        ///< the first; nothing is written after it
  u64 bytes_ = 0;                            ///< written
  chunk_packer packer_;
  std::string pending_;            ///< a record_list that is not written yet
  u64 pieces_before_ = 0;          ///< pieces written
  std::size_t stream_bytes_ = 0;   ///< of the zlib stream so far; 0: the next chunk begins one
  bool stream_has_image_ = false;  ///< the stream that the next chunk begins
  bool chunk_has_names_ = false;   ///< the next one
  bool note_is_last_ = false;      ///< of the records added
  bool note_was_last_ = false;     ///< of the records written
  u32 stream_checksum_ = 0;
  recording::chunk chunk_;  ///< its memory is used again, and so is that of frame_
  std::vector<u8> frame_;
  recording::end end_;
};

class recording_reader {
 public:
  static std::expected<recording_reader, std::string> open(const std::string& path);

  const recording::header& header() const { return header_; }
  /// The next record between header and end; nothing after the last.
  std::expected<std::optional<recording::record>, std::string> next();
  /// After the last: what the file lacks behind it, "the last 37 bytes are no complete chunk"; nothing if it is whole.
  const std::optional<std::string>& torn() const { return torn_; }
  /// Goes on reading where a stream begins: one of find_streams of this file. How many records the file has is not
  /// checked any more.
  void go_to(const stream_begin& place);
  /// An error about the last record, with its place in the file in front.
  std::string complaint(const std::string& text) const;

  u64 file_bytes() const { return file_bytes_; }
  u64 bytes_read() const { return chunk_end_; }

 private:
  explicit recording_reader(std::string path);
  std::expected<void, std::string> read_magic();
  std::expected<void, std::string> read_header();
  /// False, here and below: the file ends before it.
  std::expected<bool, std::string> read_chunk();
  std::expected<bool, std::string> take_record(recording::record& record);
  std::expected<std::optional<std::span<const u8>>, std::string> read_frame();
  std::expected<void, std::string> check_end(const recording::end& end) const;
  std::unexpected<std::string> damaged(const std::string& text) const;

  std::string path_;
  std::ifstream in_;
  frame_reader frames_{max_chunk_bytes};
  recording::header header_;
  chunk_unpacker unpacker_;
  std::string_view records_;  ///< of the chunk, that were not taken yet: a record_list in unpacker_
  u64 taken_ = 0;             ///< records
  u64 pieces_ = 0;            ///< among them
  u64 chunk_begin_ = 0;       ///< bytes
  u64 chunk_end_ = 0;
  u64 file_bytes_ = 0;
  u32 stream_checksum_ = 0;
  bool all_read_ = true;  ///< from the beginning on: the numbers are those of the file
  bool ended_ = false;
  std::optional<std::string> torn_;
};

}  // namespace pvmmu::tools
