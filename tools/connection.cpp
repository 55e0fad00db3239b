#include "tools/connection.h"

#include <charconv>

#include "tools/command.h"

namespace pvmmu::tools {

namespace {

constexpr std::string_view unix_prefix = "unix:";

/// Nobody shares an in-process server with the one who started it.
constexpr xen::session_limits unlimited{
    .max_domains = 1024, .max_pages = u64{1} << 28, .max_event_bytes_per_request = u64{1} << 32};

}  // namespace

in_process_server::in_process_server(const xen::server_options& options)
    : server_(options), thread_([this] { server_.run(); }) {}

in_process_server::~in_process_server() { server_.stop(); }

guest::channel_client in_process_server::open() {
  return guest::channel_client::connect_pair(
      server_.context(), [this](xen::server::socket connected) { server_.serve(std::move(connected)); });
}

tcp_address parse_tcp_address(const std::string& text) {
  tcp_address address;
  const std::size_t colon = text.rfind(':');
  if (colon != std::string::npos) address.host = text.substr(0, colon);
  const char* begin = text.data() + (colon == std::string::npos ? 0 : colon + 1);
  const char* end = text.data() + text.size();
  const auto [last, error] = std::from_chars(begin, end, address.port);
  if (begin == end || last != end || error != std::errc() || address.host.empty())
    throw input_error(fmt::format("\"{}\": expected [HOST:]PORT with a port from 0 to 65535", text));
  return address;
}

connection::connection(const std::string& address, xen::server_listener_factory listens) {
  if (address.empty()) {
    local_ =
        std::make_unique<in_process_server>(xen::server_options{.session = unlimited, .listens = std::move(listens)});
  } else if (address.starts_with(unix_prefix)) {
    unix_path_ = address.substr(unix_prefix.size());
    if (unix_path_.empty()) throw input_error("\"unix:\": expected unix:PATH");
  } else {
    tcp_ = parse_tcp_address(address);
  }
}

guest::channel_client connection::open() {
  if (local_) return local_->open();
  if (!unix_path_.empty()) return guest::channel_client::connect_unix(unix_path_);
  return guest::channel_client::connect_tcp(tcp_.host, tcp_.port);
}

}  // namespace pvmmu::tools
