#include "tools/recording_file.h"

#include <fmt/format.h>
#include <google/protobuf/io/gzip_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <zlib.h>

#include <cassert>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

namespace pvmmu::tools {
namespace {

namespace io = google::protobuf::io;

/// A chunk is written when its records reach this size, unpacked. Large, because that compresses better.
constexpr std::size_t chunk_target_bytes = std::size_t{1} << 19;

u32 checksum(const std::string& bytes) {
  return static_cast<u32>(crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

std::string pack(const recording::record_list& records) {
  std::string packed;
  io::StringOutputStream bytes(&packed);
  io::GzipOutputStream::Options options;
  options.format = io::GzipOutputStream::ZLIB;
  options.compression_level = Z_BEST_COMPRESSION;
  io::GzipOutputStream zipped(&bytes, options);
  const bool packs = records.SerializeToZeroCopyStream(&zipped) && zipped.Close();
  assert(packs && "memory takes all bytes");
  return packed;
}

/// What `packed` holds, or nothing where it is no zlib stream or longer than a chunk may be.
std::optional<std::string> unpack(const std::string& packed) {
  io::ArrayInputStream bytes(packed.data(), static_cast<int>(packed.size()));
  io::GzipInputStream zipped(&bytes, io::GzipInputStream::ZLIB);
  std::string unpacked;
  const void* data = nullptr;
  int size = 0;
  while (zipped.Next(&data, &size)) {
    if (unpacked.size() + static_cast<std::size_t>(size) > max_unpacked_chunk_bytes) return std::nullopt;
    unpacked.append(static_cast<const char*>(data), static_cast<std::size_t>(size));
  }
  if (zipped.ZlibErrorCode() != Z_STREAM_END) return std::nullopt;
  return unpacked;
}

std::string system_error_text() { return std::strerror(errno); }

}  // namespace

// ---- writing

recording_writer::recording_writer(std::string path)
    : path_(std::move(path)), part_path_(path_ + ".part"), out_(part_path_, std::ios::binary | std::ios::trunc) {}

std::expected<recording_writer, std::string> recording_writer::create(const std::string& path) {
  recording_writer writer(path);
  if (!writer.out_) return std::unexpected(fmt::format("{}.part: cannot be written: {}", path, system_error_text()));
  writer.out_.write(recording_magic.data(), static_cast<std::streamsize>(recording_magic.size()));
  return writer;
}

recording_writer::~recording_writer() {
  if (!out_.is_open()) return;  // finished, or moved from
  out_.close();
  std::remove(part_path_.c_str());
}

void recording_writer::add(const recording::record& record) {
  assert((end_.records() == 0) == record.has_header() && "the header comes first, once");
  end_.set_records(end_.records() + 1);
  if (record.has_piece()) end_.set_pieces(end_.pieces() + 1);
  const std::size_t bytes = record.ByteSizeLong();
  if (pending_bytes_ + bytes > chunk_target_bytes) write_chunk();
  *pending_.add_records() = record;
  pending_bytes_ += bytes;
}

void recording_writer::write_chunk() {
  if (pending_.records_size() == 0) return;
  recording::chunk chunk;
  chunk.set_records(pack(pending_));
  chunk.set_crc32(checksum(chunk.records()));
  const auto bytes = static_cast<u32>(chunk.ByteSizeLong());
  if (bytes > max_chunk_bytes || pending_bytes_ >= max_unpacked_chunk_bytes) {  // one record, beyond all measure
    errno = EFBIG;
    out_.setstate(std::ios::failbit);
    return;
  }
  std::vector<u8> frame;
  chunk.SerializeToArray(add_frame(frame, bytes), static_cast<int>(bytes));
  out_.write(reinterpret_cast<const char*>(frame.data()), static_cast<std::streamsize>(frame.size()));
  pending_.Clear();
  pending_bytes_ = 0;
}

void recording_writer::flush() {
  write_chunk();
  out_.flush();
}

std::expected<u64, std::string> recording_writer::finish() {
  recording::record last;
  *last.mutable_end() = end_;
  last.mutable_end()->set_records(end_.records() + 1);
  add(last);
  write_chunk();
  const auto bytes = static_cast<u64>(out_.tellp());
  if (!out_.flush()) return std::unexpected(fmt::format("{}: cannot be written: {}", part_path_, system_error_text()));
  out_.close();
  if (std::rename(part_path_.c_str(), path_.c_str()) != 0)
    return std::unexpected(fmt::format("{}: cannot be renamed: {}", part_path_, system_error_text()));
  return bytes;
}

// ---- reading

recording_reader::recording_reader(std::string path) : path_(std::move(path)), in_(path_, std::ios::binary) {}

std::expected<recording_reader, std::string> recording_reader::open(const std::string& path) {
  recording_reader reader(path);
  if (!reader.in_) return std::unexpected(fmt::format("{}: cannot be read: {}", path, system_error_text()));
  reader.in_.seekg(0, std::ios::end);
  reader.file_bytes_ = static_cast<u64>(reader.in_.tellg());
  reader.in_.seekg(0);
  if (auto read = reader.read_magic(); !read) return std::unexpected(read.error());
  if (auto read = reader.read_header(); !read) return std::unexpected(read.error());
  return reader;
}

std::unexpected<std::string> recording_reader::damaged(const std::string& text) const {
  return std::unexpected(fmt::format("{}: at byte {}: {}", path_, chunk_begin_, text));
}

std::string recording_reader::complaint(const std::string& text) const {
  return fmt::format("{}: record {} (in the chunk at byte {}): {}", path_, taken_, chunk_begin_, text);
}

std::expected<void, std::string> recording_reader::read_magic() {
  std::string magic(recording_magic.size(), '\0');
  in_.read(magic.data(), static_cast<std::streamsize>(magic.size()));
  if (magic != recording_magic) return damaged("no recording: \"pvmmu-recording\" and a newline are expected here");
  chunk_begin_ = chunk_end_ = recording_magic.size();
  return {};
}

std::expected<void, std::string> recording_reader::read_header() {
  auto first = take_record();
  if (!first) return std::unexpected(first.error());
  if (!first->has_header()) return damaged("the first record is expected to be a header");
  header_ = std::move(*first->mutable_header());
  if (header_.format_version() != recording_format_version) {
    return damaged(fmt::format("written in format {} by pvmmu {}: this pvmmu reads format {}", header_.format_version(),
                               header_.tool_version(), recording_format_version));
  }
  return {};
}

std::expected<std::span<const u8>, std::string> recording_reader::read_frame() {
  for (;;) {
    const auto frame = frames_.next();
    if (!frame) return damaged(frame.error() + ": the file is damaged here");
    if (*frame) return **frame;
    const auto room = frames_.prepare();
    in_.read(reinterpret_cast<char*>(room.data()), static_cast<std::streamsize>(room.size()));
    frames_.commit(static_cast<std::size_t>(in_.gcount()));
    if (in_.gcount() != 0) continue;
    if (in_.bad()) return damaged("cannot be read: " + system_error_text());
    return damaged(frames_.between_frames()
                       ? "the file ends without an end record: it is torn"
                       : fmt::format("the file ends at byte {} within a chunk: it is torn", file_bytes_));
  }
}

std::expected<void, std::string> recording_reader::read_chunk() {
  chunk_begin_ = chunk_end_;
  const auto frame = read_frame();
  if (!frame) return std::unexpected(frame.error());
  chunk_end_ += frame_header_bytes + frame->size();
  recording::chunk chunk;
  if (!chunk.ParseFromArray(frame->data(), static_cast<int>(frame->size())) ||
      !chunk.GetReflection()->GetUnknownFields(chunk).empty()) {
    return damaged("the bytes are no chunk: the file is damaged");
  }
  if (const u32 found = checksum(chunk.records()); found != chunk.crc32()) {
    return damaged(
        fmt::format("the chunk's checksum is {:#010x}, expected {:#010x}: the file is damaged", found, chunk.crc32()));
  }
  const auto unpacked = unpack(chunk.records());
  if (!unpacked) {
    return damaged(fmt::format("the chunk is no zlib stream of at most {} bytes", max_unpacked_chunk_bytes));
  }
  if (!records_.ParseFromString(*unpacked)) return damaged("the chunk's contents are no records");
  next_ = 0;
  return {};
}

std::expected<recording::record, std::string> recording_reader::take_record() {
  while (next_ == records_.records_size()) {
    if (auto read = read_chunk(); !read) return std::unexpected(read.error());
  }
  ++taken_;
  return std::move(*records_.mutable_records(next_++));
}

std::expected<std::optional<recording::record>, std::string> recording_reader::next() {
  if (ended_) return std::nullopt;
  auto record = take_record();
  if (!record) return std::unexpected(record.error());
  if (record->has_piece()) ++pieces_;
  if (!record->has_end()) return std::move(*record);
  const recording::end& end = record->end();
  if (end.records() != taken_ || end.pieces() != pieces_) {
    return std::unexpected(complaint(fmt::format("the file has {} records with {} pieces, {} with {} are expected",
                                                 taken_, pieces_, end.records(), end.pieces())));
  }
  if (chunk_end_ != file_bytes_ || next_ != records_.records_size())
    return std::unexpected(complaint("nothing is expected after the end record"));
  ended_ = true;
  return std::nullopt;
}

}  // namespace pvmmu::tools
