#pragma once
// How the chunks of a recording are compressed: one zlib stream goes through many of them, so that small ones compress
// as well as large ones, and each can be unpacked as soon as it is there.
//
//   packed = packer.pack(bytes, continues);               // for each chunk
//   bytes = unpacker.unpack(packed, continues);           // in the same order, from one that does not continue
//
// Each part ends as Z_SYNC_FLUSH ends it, on a whole byte, without the four bytes 00 00 ff ff that are always the last
// (as in RFC 7692). A stream that ended by itself, as all of format 1 do, is unpacked as well.

#include <memory>
#include <optional>
#include <string>
#include <string_view>

struct z_stream_s;

namespace pvmmu::tools {

class chunk_packer {
 public:
  chunk_packer();
  /// Some bytes. `continues`: the stream of the call before, otherwise a new one. Valid until the next call.
  std::string_view pack(std::string_view bytes, bool continues);

 private:
  struct ending {
    void operator()(z_stream_s* stream) const;
  };
  std::unique_ptr<z_stream_s, ending> stream_;
  std::string packed_;
};

class chunk_unpacker {
 public:
  chunk_unpacker();
  /// Nothing where `packed` is no such part of a stream, or has more than `max_bytes` in it: then nothing that
  /// continues can be unpacked either. Valid until the next call.
  std::optional<std::string_view> unpack(std::string_view packed, bool continues, std::size_t max_bytes);

 private:
  /// Takes all of `packed`, with what comes of it behind the first `size` bytes of unpacked_. False: it cannot.
  bool inflate_all(std::string_view packed, std::size_t& size, std::size_t max_bytes);

  struct ending {
    void operator()(z_stream_s* stream) const;
  };
  std::unique_ptr<z_stream_s, ending> stream_;
  std::string unpacked_;
  bool goes_on_ = false;  ///< a stream has begun, and not ended
};

}  // namespace pvmmu::tools
