#pragma once
// A socket to a gdb stub as packets: acknowledged, sent again where they did not come whole, and awaited for so long.

#include <optional>
#include <string>
#include <string_view>

#include "tools/lab/deadline.h"
#include "tools/lab/gdb_packet.h"
#include "tools/lab/unique_fd.h"

namespace pvmmu::lab {

/// After a lab_error it is of no use any more.
class gdb_link {
 public:
  explicit gdb_link(unique_fd socket) : socket_(std::move(socket)) {}

  /// Throws lab_error if the stub is gone.
  void send(std::string_view payload);
  /// What stops a running machine: the byte 0x03, outside of packets.
  void send_interrupt();
  /// The next packet; nothing when time is over. Throws lab_error if the stub is gone, or nothing comes whole.
  std::optional<std::string> receive(const deadline& until);
  /// Both sides have agreed on it.
  void stop_acknowledging() { acknowledges_ = false; }

 private:
  void send_bytes(std::string_view bytes);
  bool read_bytes(const deadline& until);
  void count_failure();

  unique_fd socket_;
  gdb_packet_reader reader_;
  bool acknowledges_ = true;
  std::string sent_;  ///< the last packet, should it be wanted again
  int failures_ = 0;  ///< since the last packet that came whole
};

}  // namespace pvmmu::lab
