#include "tools/lab/packed_text.h"

#include <zlib.h>

#include <memory>
#include <string_view>

#include "proto/abi/types.h"
#include "tools/lab/lab_error.h"

namespace pvmmu::lab {
namespace {

constexpr std::size_t most_bytes = std::size_t{64} << 20;

constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string from_base64(const std::vector<std::string>& lines) {
  std::string bytes;
  u32 bits = 0;
  int count = 0;
  for (const std::string& line : lines)
    for (const char c : line) {
      if (c == '=') continue;  // the end: bits that are left over are none of the text's
      const auto digit = digits.find(c);
      if (digit == std::string_view::npos) throw lab_error("packed text: base64 is expected, not " + line);
      bits = bits << 6 | static_cast<u32>(digit);
      count += 6;
      if (count < 8) continue;
      count -= 8;
      bytes += static_cast<char>(bits >> count & 0xff);
    }
  return bytes;
}

/// zlib's state, which ends with it.
struct inflater : z_stream {
  inflater() : z_stream{} {
    constexpr int gzip = 16;
    if (inflateInit2(this, gzip + MAX_WBITS) != Z_OK) throw lab_error("no memory for zlib");
  }
  inflater(const inflater&) = delete;
  inflater& operator=(const inflater&) = delete;
  ~inflater() { inflateEnd(this); }
};

}  // namespace

std::string unpack_text(const std::vector<std::string>& lines) {
  std::string packed = from_base64(lines);
  inflater stream;
  stream.next_in = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_in = static_cast<uInt>(packed.size());
  std::string text;
  std::string chunk(1 << 16, '\0');
  for (int status = Z_OK; status != Z_STREAM_END;) {
    stream.next_out = reinterpret_cast<Bytef*>(chunk.data());
    stream.avail_out = static_cast<uInt>(chunk.size());
    status = inflate(&stream, Z_NO_FLUSH);
    if (status != Z_OK && status != Z_STREAM_END) throw lab_error("packed text: some of it is missing or was changed");
    text.append(chunk, 0, chunk.size() - stream.avail_out);
    if (text.size() > most_bytes) throw lab_error("packed text: more than 64 MiB");
  }
  return text;
}

}  // namespace pvmmu::lab
