#include "tools/recording_file.h"

#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>
#include <zlib.h>

#include <cassert>
#include <cerrno>
#include <cstring>
#include <tuple>
#include <utility>

namespace pvmmu::tools {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;
using google::protobuf::io::CodedOutputStream;

/// A chunk is written when its records reach this size, unpacked, if nobody flushes before.
constexpr std::size_t chunk_target_bytes = std::size_t{1} << 16;
/// A zlib stream ends when it reaches this size: so far apart are the places where a reader can begin.
constexpr std::size_t stream_target_bytes = std::size_t{1} << 18;

constexpr u32 record_tag =
    WireFormatLite::MakeTag(recording::record_list::kRecordsFieldNumber, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);

/// Of `bytes`, which go on with those that `before` is of.
u32 checksum(u32 before, std::string_view bytes) {
  return static_cast<u32>(crc32_z(before, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

std::string system_error_text() { return std::strerror(errno); }

}  // namespace

// ---- writing

recording_writer::recording_writer(std::string path, std::string written_path)
    : path_(std::move(path)), written_path_(std::move(written_path)), out_(std::fopen(written_path_.c_str(), "wb")) {}

std::expected<recording_writer, std::string> recording_writer::begin(std::string path, std::string written_path) {
  recording_writer writer(std::move(path), std::move(written_path));
  if (!writer.out_)
    return std::unexpected(fmt::format("{}: cannot be written: {}", writer.written_path_, system_error_text()));
  std::setvbuf(writer.out_.get(), nullptr, _IONBF, 0);  // chunks are written whole
  writer.write(recording_magic.data(), recording_magic.size());
  return writer;
}

std::expected<recording_writer, std::string> recording_writer::create(const std::string& path) {
  return begin(path, path + ".part");
}

std::expected<recording_writer, std::string> recording_writer::create_live(const std::string& path) {
  return begin(path, path);
}

recording_writer::~recording_writer() {
  if (out_ && written_path_ != path_) std::remove(written_path_.c_str());
}

void recording_writer::add(const recording::record& record) {
  assert((end_.records() == 0) == record.has_header() && "the header comes first, once");
  if (record.has_machine_image()) {
    seal();
    stream_has_image_ = true;
  }
  const std::size_t bytes = record.ByteSizeLong();
  if (pending_.size() + bytes > chunk_target_bytes) flush();
  end_.set_records(end_.records() + 1);
  if (record.has_piece()) end_.set_pieces(end_.pieces() + 1);
  chunk_has_names_ |= record.note().kind() == wire::note::frame_name;
  note_is_last_ = record.has_note();
  const std::size_t begin = pending_.size();
  constexpr std::size_t max_head_bytes = 8;
  pending_.resize(begin + max_head_bytes + bytes);
  u8* const at = reinterpret_cast<u8*>(pending_.data()) + begin;
  u8* const body = CodedOutputStream::WriteVarint32ToArray(static_cast<u32>(bytes),
                                                           CodedOutputStream::WriteTagToArray(record_tag, at));
  pending_.resize(begin + static_cast<std::size_t>(record.SerializeWithCachedSizesToArray(body) - at));
  if (record.has_header()) flush();  // a file that is torn soon opens as well
}

void recording_writer::seal() {
  flush();
  stream_bytes_ = 0;
}

bool recording_writer::flush() {
  if (pending_.empty() || !error_.empty()) return error_.empty();
  if (pending_.size() > max_unpacked_chunk_bytes) {
    error_ = fmt::format("a record of {} bytes, at most {} can be written", pending_.size(), max_unpacked_chunk_bytes);
    return false;
  }
  // A note is where the piece is that it stands before.
  const bool continues = stream_bytes_ != 0 && (stream_bytes_ < stream_target_bytes || note_was_last_);
  const std::string_view packed = packer_.pack(pending_, continues);
  chunk_.set_records(packed.data(), packed.size());
  stream_checksum_ = checksum(continues ? stream_checksum_ : 0, packed);
  chunk_.set_crc32(stream_checksum_);
  if (continues)
    chunk_.clear_pieces_before();
  else
    chunk_.set_pieces_before(pieces_before_);
  chunk_.set_begins_with_image(std::exchange(stream_has_image_, false));
  chunk_.set_has_names(std::exchange(chunk_has_names_, false));
  frame_.clear();
  const auto bytes = static_cast<u32>(chunk_.ByteSizeLong());
  chunk_.SerializeWithCachedSizesToArray(add_frame(frame_, bytes));
  write(frame_.data(), frame_.size());
  stream_bytes_ = (continues ? stream_bytes_ : 0) + frame_.size();
  pieces_before_ = end_.pieces();
  note_was_last_ = note_is_last_;
  pending_.clear();
  return error_.empty();
}

void recording_writer::write(const void* bytes, std::size_t size) {
  bytes_ += size;
  if (std::fwrite(bytes, 1, size, out_.get()) != size) error_ = system_error_text();
}

std::expected<u64, std::string> recording_writer::finish() {
  recording::record last;
  *last.mutable_end() = end_;
  last.mutable_end()->set_records(end_.records() + 1);
  add(last);
  flush();
  const bool closed = std::fclose(out_.release()) == 0;
  if (!closed && error_.empty()) error_ = system_error_text();
  const bool whole = error_.empty();
  if (whole && (written_path_ == path_ || std::rename(written_path_.c_str(), path_.c_str()) == 0)) return bytes_;
  if (whole) error_ = "it cannot be renamed: " + system_error_text();
  if (written_path_ != path_) std::remove(written_path_.c_str());
  return std::unexpected(fmt::format("{}: cannot be written: {}", written_path_, error_));
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
  recording::record first;
  const auto taken = take_record(first);
  if (!taken) return std::unexpected(taken.error());
  if (!*taken) return damaged("a header is expected: " + *torn_);
  if (!first.has_header()) return damaged("the first record is expected to be a header");
  header_ = std::move(*first.mutable_header());
  if (header_.format_version() == 0 || header_.format_version() > recording_format_version) {
    return damaged(fmt::format("written in format {} by pvmmu {}: this pvmmu reads formats 1 to {}",
                               header_.format_version(), header_.tool_version(), recording_format_version));
  }
  return {};
}

void recording_reader::go_to(const stream_begin& place) {
  in_.clear();
  in_.seekg(static_cast<std::streamoff>(place.byte));
  frames_ = frame_reader(max_chunk_bytes);
  records_ = {};
  chunk_begin_ = chunk_end_ = place.byte;
  pieces_ = place.pieces_before;
  all_read_ = ended_ = false;
  torn_.reset();
  if (recording::record header; place.byte == recording_magic.size()) std::ignore = take_record(header);
}

std::expected<std::optional<std::span<const u8>>, std::string> recording_reader::read_frame() {
  for (;;) {
    const auto frame = frames_.next();
    if (!frame) return damaged(frame.error() + ": the file is damaged here");
    if (*frame) return **frame;
    const auto room = frames_.prepare();
    in_.read(reinterpret_cast<char*>(room.data()), static_cast<std::streamsize>(room.size()));
    frames_.commit(static_cast<std::size_t>(in_.gcount()));
    if (in_.gcount() != 0) continue;
    if (in_.bad()) return damaged("cannot be read: " + system_error_text());
    torn_ = frames_.between_frames()
                ? "the end record is missing"
                : fmt::format("the last {} bytes are no complete chunk", file_bytes_ - chunk_begin_);
    return std::nullopt;
  }
}

std::expected<bool, std::string> recording_reader::read_chunk() {
  chunk_begin_ = chunk_end_;
  const auto frame = read_frame();
  if (!frame) return std::unexpected(frame.error());
  if (!*frame) return false;
  chunk_end_ += frame_header_bytes + (*frame)->size();
  recording::chunk chunk;
  if (!chunk.ParseFromArray((*frame)->data(), static_cast<int>((*frame)->size())) ||
      !chunk.GetReflection()->GetUnknownFields(chunk).empty()) {
    return damaged("the bytes are no chunk: the file is damaged");
  }
  const bool continues = header_.format_version() >= 2 && !chunk.has_pieces_before();
  stream_checksum_ = checksum(continues ? stream_checksum_ : 0, chunk.records());
  if (stream_checksum_ != chunk.crc32()) {
    return damaged(fmt::format("the chunk's checksum is {:#010x}, expected {:#010x}: the file is damaged",
                               stream_checksum_, chunk.crc32()));
  }
  const auto unpacked = unpacker_.unpack(chunk.records(), continues, max_unpacked_chunk_bytes);
  if (!unpacked)
    return damaged(fmt::format("the chunk is no part of a zlib stream, of at most {} bytes", max_unpacked_chunk_bytes));
  if (chunk.has_pieces_before() && chunk.pieces_before() != pieces_)
    return damaged(fmt::format("{} pieces are before this chunk, it says {}", pieces_, chunk.pieces_before()));
  records_ = *unpacked;
  return true;
}

std::expected<bool, std::string> recording_reader::take_record(recording::record& record) {
  while (records_.empty()) {
    const auto read = read_chunk();
    if (!read || !*read) return read;
  }
  CodedInputStream in(reinterpret_cast<const u8*>(records_.data()), static_cast<int>(records_.size()));
  u32 bytes = 0;
  const bool is_record = in.ReadTag() == record_tag && in.ReadVarint32(&bytes);
  const auto head = static_cast<std::size_t>(in.CurrentPosition());
  if (!is_record || bytes > records_.size() - head ||
      !record.ParseFromArray(records_.data() + head, static_cast<int>(bytes)))
    return damaged("the chunk's contents are no records");
  records_.remove_prefix(head + bytes);
  ++taken_;
  return true;
}

std::expected<std::optional<recording::record>, std::string> recording_reader::next() {
  if (ended_) return std::nullopt;
  recording::record record;
  const auto taken = take_record(record);
  if (!taken) return std::unexpected(taken.error());
  if (*taken && record.has_piece()) ++pieces_;
  if (*taken && !record.has_end()) return record;
  ended_ = true;
  if (const auto checked = *taken ? check_end(record.end()) : std::expected<void, std::string>(); !checked)
    return std::unexpected(checked.error());
  return std::nullopt;
}

std::expected<void, std::string> recording_reader::check_end(const recording::end& end) const {
  if (all_read_ && (end.records() != taken_ || end.pieces() != pieces_)) {
    return std::unexpected(complaint(fmt::format("the file has {} records with {} pieces, {} with {} are expected",
                                                 taken_, pieces_, end.records(), end.pieces())));
  }
  if (chunk_end_ != file_bytes_ || !records_.empty())
    return std::unexpected(complaint("nothing is expected after the end record"));
  return {};
}

}  // namespace pvmmu::tools
