#pragma once
// A recording's file (proto/recording.proto) as a sequence of records, written and read one by one:
//
//   auto writer = recording_writer::create("x.rec");         // std::expected: every error is a text that names the
//   file writer->add(record);  …  writer->finish();               // without finish() no file is left
//
//   auto reader = recording_reader::open("x.rec");
//   for (;;) {
//     auto record = reader->next();                          // an error says at which byte what was expected
//     if (!record || !*record) break;                        // damaged, or the file's end
//     use(**record);
//   }
//
// The reader checks what belongs to the file as such: sizes before memory is taken, checksums before contents are
// believed, a header first, an end last with the right numbers. What the records say is their reader's business.

#include "recording.pb.h"

#include <expected>
#include <fstream>
#include <optional>
#include <string>

#include "proto/framing.h"

namespace pvmmu::tools {

inline constexpr std::string_view recording_magic = "pvmmu-recording\n";
inline constexpr u32 recording_format_version = 1;
inline constexpr u32 max_chunk_bytes = u32{1} << 20;
inline constexpr u32 max_unpacked_chunk_bytes = u32{1} << 22;

class recording_writer {
 public:
  /// Writes to `path`.part, which becomes `path` when it is finished.
  static std::expected<recording_writer, std::string> create(const std::string& path);
  recording_writer(recording_writer&&) noexcept = default;
  recording_writer& operator=(recording_writer&&) = delete;
  ~recording_writer();

  /// The first record must be the header. Errors of the file show up in `finish`.
  void add(const recording::record& record);
  /// What was added is in the file from now on, whatever becomes of this process.
  void flush();
  /// Adds the end record. Returns the file's size in bytes.
  std::expected<u64, std::string> finish();

 private:
  explicit recording_writer(std::string path);
  void write_chunk();

  std::string path_;
  std::string part_path_;
  std::ofstream out_;
  recording::record_list pending_;
  std::size_t pending_bytes_ = 0;
  recording::end end_;
};

class recording_reader {
 public:
  static std::expected<recording_reader, std::string> open(const std::string& path);

  const recording::header& header() const { return header_; }
  /// The next record between header and end; nothing after the last.
  std::expected<std::optional<recording::record>, std::string> next();
  /// An error about the last record, with its place in the file in front.
  std::string complaint(const std::string& text) const;

  u64 file_bytes() const { return file_bytes_; }
  u64 bytes_read() const { return chunk_end_; }

 private:
  explicit recording_reader(std::string path);
  std::expected<void, std::string> read_magic();
  std::expected<void, std::string> read_header();
  std::expected<void, std::string> read_chunk();
  std::expected<recording::record, std::string> take_record();
  std::expected<std::span<const u8>, std::string> read_frame();
  std::unexpected<std::string> damaged(const std::string& text) const;

  std::string path_;
  std::ifstream in_;
  frame_reader frames_{max_chunk_bytes};
  recording::header header_;
  recording::record_list records_;
  int next_ = 0;         ///< in records_
  u64 taken_ = 0;        ///< records
  u64 pieces_ = 0;       ///< among them
  u64 chunk_begin_ = 0;  ///< bytes
  u64 chunk_end_ = 0;
  u64 file_bytes_ = 0;
  bool ended_ = false;
};

}  // namespace pvmmu::tools
