#include "proto/framing.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace pvmmu {

namespace {

constexpr std::size_t initial_buffer_bytes = std::size_t{1} << 16;

u32 load_size(const u8* header) {
  return u32{header[0]} | u32{header[1]} << 8 | u32{header[2]} << 16 | u32{header[3]} << 24;
}

void store_size(u8* header, u32 size) {
  for (unsigned i = 0; i < frame_header_bytes; ++i) header[i] = static_cast<u8>(size >> (8 * i));
}

}  // namespace

frame_reader::frame_reader(u32 max_payload_bytes)
    : max_payload_bytes_(max_payload_bytes), buffer_(initial_buffer_bytes) {}

std::span<u8> frame_reader::prepare() {
  if (begin_ == end_) {
    begin_ = end_ = 0;
  } else if (end_ == buffer_.size()) {
    if (begin_ == 0) {
      buffer_.resize(2 * buffer_.size());
    } else {
      std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
    }
  }
  return std::span(buffer_).subspan(end_);
}

void frame_reader::commit(std::size_t bytes) {
  assert(bytes <= buffer_.size() - end_);
  end_ += bytes;
}

std::expected<std::optional<std::span<const u8>>, std::string> frame_reader::next() {
  if (end_ - begin_ < frame_header_bytes) return std::nullopt;
  const u32 size = load_size(&buffer_[begin_]);
  if (size > max_payload_bytes_) {
    return std::unexpected("a frame of " + std::to_string(size) + " bytes was announced, at most " +
                           std::to_string(max_payload_bytes_) + " are expected");
  }
  if (end_ - begin_ - frame_header_bytes < size) return std::nullopt;
  const auto payload = std::span<const u8>(buffer_).subspan(begin_ + frame_header_bytes, size);
  begin_ += frame_header_bytes + size;
  return payload;
}

u8* add_frame(std::vector<u8>& out, u32 payload_bytes) {
  const std::size_t at = out.size();
  out.resize(at + frame_header_bytes + payload_bytes);
  store_size(&out[at], payload_bytes);
  return out.data() + at + frame_header_bytes;
}

}  // namespace pvmmu
