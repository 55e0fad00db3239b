#include "tests/lab/fake_gdb_stub.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <stdexcept>

#include "tools/lab/gdb_packet.h"

namespace pvmmu::lab {

exchanges operator+(exchanges a, const exchanges& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

exchanges says(const std::string& request, const std::string& answer) {
  return {{request, {fmt::format("+{}", gdb_framed(answer))}}};
}

exchanges greeting() {
  return says("qSupported:vContSupported+", "PacketSize=100;qXfer:features:read+;vContSupported+") +
         says("?", "T05thread:01;") +
         says("qXfer:features:read:target.xml:0,80", "m<target><xi:include href=\"core.xml\"/>") +
         says("qXfer:features:read:target.xml:25,80", "l</target>") +
         says(
             "qXfer:features:read:core.xml:0,80",
             R"(l<reg name="rax" bitsize="64" regnum="0"/><!--reg name="a"/><reg name="b" bitsize="64"/--><reg name="eflags" bitsize="32"/>)"
             R"(<reg name="rip" bitsize="64"/><reg name="st0" bitsize="80"/>)");
}

fake_gdb_stub::fake_gdb_stub(exchanges script, bool leaves) : script_(std::move(script)) {
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) throw std::runtime_error("socketpair");
  client_end_ = unique_fd{ends[0]};
  own_end_ = unique_fd{ends[1]};
  thread_ = std::thread{[this, leaves] { serve(leaves); }};
}

fake_gdb_stub::~fake_gdb_stub() {
  client_end_.reset();
  if (thread_.joinable()) thread_.join();
}

std::string fake_gdb_stub::ended() {
  thread_.join();
  if (complaint_.empty() && next_ < script_.size()) return fmt::format("not asked: {}", script_[next_].request);
  return complaint_;
}

void fake_gdb_stub::serve(bool leaves) {
  gdb_packet_reader reader;
  std::array<char, 4096> chunk{};
  while (!leaves || next_ < script_.size()) {
    const ssize_t got = read(own_end_.get(), chunk.data(), chunk.size());
    if (got <= 0) break;
    const std::string_view bytes{chunk.data(), static_cast<std::size_t>(got)};
    if (bytes == "\x03" && !answer("\x03")) break;
    reader.add(bytes);
    while (const auto event = reader.next()) {
      if (event->kind == gdb_event::what::ack) continue;
      if (!answer(event->kind == gdb_event::what::packet ? event->payload : "-")) return own_end_.reset();
    }
  }
  own_end_.reset();
}

/// Whether the script has it.
bool fake_gdb_stub::answer(const std::string& request) {
  if (next_ == script_.size() || script_[next_].request != request) {
    complaint_ = fmt::format("asked {}, not {}", request, next_ == script_.size() ? "nothing" : script_[next_].request);
    return false;
  }
  for (const std::string& bytes : script_[next_++].answers) {
    if (send(own_end_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace pvmmu::lab
