#pragma once
// Where a guest's calls go: to a hypervisor in this process, or to a server. The same channel in both cases.
//
//   connection c{""};                             // in process; or "unix:PATH", or "[HOST:]PORT"
//   guest::channel_client client = c.open();

#include <memory>
#include <string>
#include <thread>

#include "guest-pv/channel_client.h"
#include "hypervisor-model/server.h"

namespace pvmmu::tools {

/// A hypervisor in a thread of this process. It must outlive the clients that it has opened.
class in_process_server {
 public:
  explicit in_process_server(const xen::server_options& options = {});
  ~in_process_server();
  in_process_server(const in_process_server&) = delete;
  in_process_server& operator=(const in_process_server&) = delete;

  guest::channel_client open();
  xen::server& server() { return server_; }

 private:
  xen::server server_;
  std::jthread thread_;
};

/// HOST and port of "[HOST:]PORT": loopback unless told otherwise. Throws input_error.
struct tcp_address {
  std::string host = "127.0.0.1";
  u16 port = 0;
};
tcp_address parse_tcp_address(const std::string& text);

class connection {
 public:
  /// Empty: in process. Throws input_error for an address that cannot be understood.
  /// `listens` hears the machines of a hypervisor in process.
  explicit connection(const std::string& address, xen::server_listener_factory listens = {});
  /// A new connection each; hello is up to the caller. Throws guest::channel_error.
  guest::channel_client open();

 private:
  std::unique_ptr<in_process_server> local_;
  std::string unix_path_;
  tcp_address tcp_;
};

}  // namespace pvmmu::tools
