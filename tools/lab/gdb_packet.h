#pragma once
// The packets of gdb's remote protocol, as bytes: "$payload#checksum", with acknowledgements between them. No sockets.
//
//   send(socket, gdb_framed("g"));                // "$g#67"
//   reader.add(bytes_as_they_came);
//   while (const auto event = reader.next()) …    // acknowledgements and whole packets, in order
//
//   $ m f f 0 * " } \x03 # 5 e
//           └─┬─┘ └─┬──┘ └┬┘
//             │     │     └ the sum of all bytes between $ and #, modulo 256
//             │     └ } and x ^ 0x20 stand for x: '#', '$', '}' and '*'
//             └ "0" and five more of it: '"' is 29 + 5
//
// gdb manual, "Remote Protocol: Overview".

#include <optional>
#include <string>
#include <string_view>

namespace pvmmu::lab {

/// What is sent for it.
std::string gdb_framed(std::string_view payload);

struct gdb_event {
  enum class what {
    ack,      ///< '+': the last packet has come whole
    nak,      ///< '-': it has not: it is wanted once more
    packet,   ///< `payload` has come
    damaged,  ///< a packet has come that is no packet, or whose checksum is wrong
  };
  what kind = what::ack;
  std::string payload{};  ///< of a packet, without escapes and runs
  bool operator==(const gdb_event&) const = default;
};

class gdb_packet_reader {
 public:
  /// Bytes that have come: any part of packets.
  void add(std::string_view bytes) { bytes_ += bytes; }
  /// The next whole thing; nothing until more bytes come. Bytes between packets that say nothing are dropped. Throws
  /// lab_error for a packet that has no end.
  std::optional<gdb_event> next();

 private:
  std::string bytes_;
};

}  // namespace pvmmu::lab
