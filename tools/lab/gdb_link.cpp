#include "tools/lab/gdb_link.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "tools/lab/lab_error.h"

namespace pvmmu::lab {
namespace {

constexpr int failures_at_most = 3;

}  // namespace

void gdb_link::send(std::string_view payload) {
  sent_ = gdb_framed(payload);
  send_bytes(sent_);
}

void gdb_link::send_interrupt() { send_bytes("\x03"); }

std::optional<std::string> gdb_link::receive(const deadline& until) {
  while (true) {
    auto event = reader_.next();
    if (!event) {
      if (!read_bytes(until)) return std::nullopt;
      continue;
    }
    switch (event->kind) {
      case gdb_event::what::ack: break;
      case gdb_event::what::nak:
        count_failure();
        send_bytes(sent_);
        break;
      case gdb_event::what::damaged:
        count_failure();
        send_bytes("-");
        break;
      case gdb_event::what::packet:
        failures_ = 0;
        if (acknowledges_) send_bytes("+");
        return std::move(event->payload);
    }
  }
}

void gdb_link::count_failure() {
  if (!acknowledges_) throw lab_error("the gdb stub sends damaged packets, and cannot send them again");
  if (++failures_ > failures_at_most)
    throw lab_error(fmt::format("the gdb stub and we do not understand each other: last was sent {}", sent_));
}

void gdb_link::send_bytes(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw lab_error("the gdb stub is gone: QEMU has ended");
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

/// Whether some came in time.
bool gdb_link::read_bytes(const deadline& until) {
  pollfd ready{socket_.get(), POLLIN, 0};
  const int count = poll(&ready, 1, until.left_ms());
  if (count == 0) return false;
  std::array<char, 8192> chunk{};
  const ssize_t got = count < 0 ? -1 : recv(socket_.get(), chunk.data(), chunk.size(), 0);
  if (got < 0 && errno == EINTR) return true;
  if (got <= 0) throw lab_error("the gdb stub is gone: QEMU has ended");
  reader_.add({chunk.data(), static_cast<std::size_t>(got)});
  return true;
}

}  // namespace pvmmu::lab
