#pragma once
// Frames on a stream of bytes: where one message ends and the next begins. Knows neither sockets nor messages.
//
//   +--------+--------+--------+--------+----------------- … --+
//   |  payload bytes, 32 bits little-endian |   payload        |
//   +--------+--------+--------+--------+----------------- … --+
//
//   frame_reader reader(max_request_bytes);
//   std::span<u8> room = reader.prepare();            // read from anywhere into room …
//   reader.commit(bytes_read);                        // … and say how much it was
//   while (auto payload = *reader.next()) use(*payload);
//
//   std::copy_n(payload, bytes, add_frame(out, bytes));

#include <expected>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "proto/abi/types.h"

namespace pvmmu {

inline constexpr std::size_t frame_header_bytes = 4;
inline constexpr u32 max_request_bytes = u32{1} << 20;
inline constexpr u32 max_reply_bytes = u32{1} << 24;

/// Cuts a stream into payloads. Takes memory for the bytes that have come, never for those that a header announces.
class frame_reader {
 public:
  explicit frame_reader(u32 max_payload_bytes);

  /// Room for the next bytes of the stream, never empty. Payloads returned before are gone.
  std::span<u8> prepare();
  /// `bytes` of that room have been filled.
  void commit(std::size_t bytes);

  /// The next complete payload, nothing if more bytes must come first, or why the stream cannot be understood: then
  /// nothing that follows can be either.
  std::expected<std::optional<std::span<const u8>>, std::string> next();

  /// Whether the stream stands between two frames: the place to end it.
  bool between_frames() const { return begin_ == end_; }

 private:
  u32 max_payload_bytes_;
  std::vector<u8> buffer_;
  std::size_t begin_ = 0;  ///< first byte not returned yet
  std::size_t end_ = 0;    ///< behind the last byte that has come
};

/// Appends a header, and room for its payload, to `out`. Returns that room, valid until `out` grows again.
u8* add_frame(std::vector<u8>& out, u32 payload_bytes);

}  // namespace pvmmu
