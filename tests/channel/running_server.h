#pragma once
// A server in a thread, on a Unix socket in a folder of its own and on TCP, and a connection that sends what it likes.

#include <gtest/gtest.h>
#include <stdlib.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <filesystem>
#include <optional>
#include <thread>

#include "guest-pv/channel_client.h"
#include "hypervisor-model/server.h"
#include "tests/channel/requests.h"
#include "tests/scratch_directory.h"

namespace pvmmu::testing {

class running_server {
 public:
  explicit running_server(const xen::server_options& options = {}) : server_(options) {
    server_.listen_unix(path());
    port_ = server_.listen_tcp("127.0.0.1", 0);
    thread_ = std::jthread([this] { server_.run(); });
  }
  ~running_server() { server_.stop(); }
  running_server(const running_server&) = delete;
  running_server& operator=(const running_server&) = delete;

  std::string path() const { return scratch_.path("server"); }
  u16 port() const { return port_; }
  guest::channel_client over_pair() {
    return guest::channel_client::connect_pair(server_.context(),
                                               [this](xen::server::socket s) { server_.serve(std::move(s)); });
  }
  guest::channel_client over_unix() { return guest::channel_client::connect_unix(path()); }
  guest::channel_client over_tcp() { return guest::channel_client::connect_tcp("127.0.0.1", port_); }

 private:
  scratch_directory scratch_;
  xen::server server_;
  u16 port_ = 0;
  std::jthread thread_;
};

/// Bytes to a server, and whole answers from it.
class raw_connection {
 public:
  explicit raw_connection(const std::string& path) : socket_(io_) { socket_.connect(path); }

  void send(std::span<const u8> bytes) { boost::asio::write(socket_, boost::asio::buffer(bytes.data(), bytes.size())); }
  void send(const wire::request& request) { send(framed(request.SerializeAsString())); }
  /// Says goodbye to the server's next read, but still listens.
  void end_sending() { socket_.shutdown(boost::asio::local::stream_protocol::socket::shutdown_send); }

  /// Nothing at the end of the stream.
  std::optional<wire::reply> receive() {
    wire::reply answer;
    while (true) {
      u8 header[frame_header_bytes];
      boost::system::error_code error;
      boost::asio::read(socket_, boost::asio::buffer(header), error);
      if (error) return std::nullopt;
      std::vector<u8> payload(u32{header[0]} | u32{header[1]} << 8 | u32{header[2]} << 16 | u32{header[3]} << 24);
      boost::asio::read(socket_, boost::asio::buffer(payload));
      if (add_payload(payload, answer)) return answer;
    }
  }

  wire::reply ask(const wire::request& request) {
    send(request);
    return receive().value_or(wire::reply());
  }

 private:
  boost::asio::io_context io_;
  boost::asio::local::stream_protocol::socket socket_;
};

}  // namespace pvmmu::testing
