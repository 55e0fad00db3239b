#pragma once
// The hypervisor for guests of any language: sessions over Unix sockets, TCP and socket pairs, each with its own
// domains, on machines of their own or shared by name. proto/wire.proto says what they say.
//
//   server s{server_options{}};
//   s.listen_unix("pvmmu.sock");
//   s.run();                          // until stop(), from a signal or another thread
//
// One thread runs everything: a request is carried out whole before the next, whichever session it comes from.

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>

#include "hypervisor-model/server_options.h"

namespace pvmmu::xen {

class server {
 public:
  using socket = boost::asio::generic::stream_protocol::socket;

  explicit server(const server_options& options = {});
  ~server();
  server(const server&) = delete;
  server& operator=(const server&) = delete;

  /// Accepts on a Unix socket that its owner alone may use (mode 0600). A socket that nobody listens on any more is
  /// replaced; anything else at `path` is not. Throws std::runtime_error that says what is in the way.
  void listen_unix(const std::string& path);
  /// Accepts on TCP; port 0 takes a free one. Returns the port. Throws std::runtime_error.
  u16 listen_tcp(const std::string& host, u16 port);
  /// Serves a socket that is connected already; it must be of `context()`. From any thread.
  void serve(socket connected);

  boost::asio::io_context& context();
  /// Serves until `stop`. The thread that calls it does all the work.
  void run();
  /// Ends every session and `run`. From any thread, or before `run`.
  void stop();

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace pvmmu::xen
