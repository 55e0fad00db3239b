#include "tools/recording_zlib.h"

#include <zlib.h>

#include <algorithm>
#include <cassert>

namespace pvmmu::tools {
namespace {

/// What Z_SYNC_FLUSH ends with, always.
constexpr std::string_view flush_tail("\0\0\xff\xff", 4);
/// As small as the default on the chunks of single calls, in half the time.
constexpr int level = 3;
/// The least that zlib is given room for at a time.
constexpr std::size_t room_bytes = std::size_t{1} << 12;

void set_input(z_stream& stream, std::string_view bytes) {
  // zlib's own declaration does not promise that it only reads.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
}

/// Room behind the first `size` bytes of `buffer`, up to `max_bytes` in all; its capacity is used again.
void set_room(z_stream& stream, std::string& buffer, std::size_t size, std::size_t max_bytes) {
  if (buffer.size() < size + room_bytes) buffer.resize(std::max(2 * buffer.size(), size + room_bytes));
  stream.next_out = reinterpret_cast<Bytef*>(buffer.data() + size);
  stream.avail_out = static_cast<uInt>(std::min(buffer.size(), max_bytes) - size);
}

}  // namespace

// ---- packing

void chunk_packer::ending::operator()(z_stream_s* stream) const {
  deflateEnd(stream);
  delete stream;
}

chunk_packer::chunk_packer() : stream_(new z_stream{}) {
  const int made = deflateInit(stream_.get(), level);
  assert(made == Z_OK && "there is memory for it");
}

std::string_view chunk_packer::pack(std::string_view bytes, bool continues) {
  assert(!bytes.empty() && "zlib flushes nothing after nothing");
  if (!continues) deflateReset(stream_.get());
  set_input(*stream_, bytes);
  std::size_t size = 0;
  do {  // until there is room left: then all is out
    set_room(*stream_, packed_, size, packed_.max_size());
    deflate(stream_.get(), Z_SYNC_FLUSH);
    size = static_cast<std::size_t>(reinterpret_cast<char*>(stream_->next_out) - packed_.data());
  } while (stream_->avail_out == 0);
  const auto packed = std::string_view(packed_).substr(0, size);
  assert(packed.ends_with(flush_tail));
  return packed.substr(0, size - flush_tail.size());
}

// ---- unpacking

void chunk_unpacker::ending::operator()(z_stream_s* stream) const {
  inflateEnd(stream);
  delete stream;
}

chunk_unpacker::chunk_unpacker() : stream_(new z_stream{}) {
  const int made = inflateInit(stream_.get());
  assert(made == Z_OK && "there is memory for it");
}

std::optional<std::string_view> chunk_unpacker::unpack(std::string_view packed, bool continues, std::size_t max_bytes) {
  if (!continues) {
    inflateReset(stream_.get());
    goes_on_ = !packed.empty();
  }
  std::size_t size = 0;
  const bool unpacks =
      goes_on_ && inflate_all(packed, size, max_bytes) && (!goes_on_ || inflate_all(flush_tail, size, max_bytes));
  goes_on_ = goes_on_ && unpacks;
  if (!unpacks) return std::nullopt;
  return std::string_view(unpacked_).substr(0, size);
}

bool chunk_unpacker::inflate_all(std::string_view packed, std::size_t& size, std::size_t max_bytes) {
  set_input(*stream_, packed);
  for (;;) {
    set_room(*stream_, unpacked_, size, max_bytes + 1);  // one more, to see that there is more
    const int status = inflate(stream_.get(), Z_NO_FLUSH);
    size = static_cast<std::size_t>(reinterpret_cast<char*>(stream_->next_out) - unpacked_.data());
    if (size > max_bytes) return false;
    if (status == Z_STREAM_END) {
      goes_on_ = false;
      return stream_->avail_in == 0;
    }
    if (status != Z_OK && status != Z_BUF_ERROR) return false;
    if (stream_->avail_out != 0) return stream_->avail_in == 0;
  }
}

}  // namespace pvmmu::tools
