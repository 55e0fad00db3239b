#include "hypervisor-model/server.h"

#include <fmt/format.h>
#include <google/protobuf/stubs/logging.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <filesystem>
#include <functional>
#include <list>
#include <stdexcept>
#include <vector>

#include "hypervisor-model/server_handler.h"
#include "hypervisor-model/server_session.h"

namespace pvmmu::xen {

namespace asio = boost::asio;
using asio::ip::tcp;
using unix_stream = asio::local::stream_protocol;

namespace {

using session = server_session<server_handler>;

/// The name of a listening Unix socket, removed with it.
class socket_file {
 public:
  explicit socket_file(std::string path) : path_(std::move(path)) {}
  ~socket_file() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  socket_file(const socket_file&) = delete;
  socket_file& operator=(const socket_file&) = delete;

 private:
  std::string path_;
};

/// Removes a socket that nobody listens on any more.
void clear_stale_socket(asio::io_context& io, const std::string& path) {
  const auto status = std::filesystem::symlink_status(path);
  if (!std::filesystem::exists(status)) return;
  if (!std::filesystem::is_socket(status))
    throw std::runtime_error("something other than a socket is there, and is not replaced");
  boost::system::error_code error;
  if (unix_stream::socket(io).connect(unix_stream::endpoint(path), error) != asio::error::connection_refused)
    throw std::runtime_error("another server listens there");
  std::filesystem::remove(path);
}

}  // namespace

struct server::state {
  explicit state(const server_options& o) : options(o), machines(o.listens) {}

  void add_session(socket connected);
  template <class Protocol>
  void accept(asio::basic_socket_acceptor<Protocol>& acceptor);
  void later(std::function<void()> again);
  void close();

  server_options options;
  server_machines machines;  ///< outlives the sessions, which are held by what io waits for
  std::list<socket_file> socket_files;
  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> until_stopped{io.get_executor()};
  std::list<unix_stream::acceptor> unix_acceptors;
  std::list<tcp::acceptor> tcp_acceptors;
  std::vector<std::weak_ptr<session>> sessions;
};

void server::state::add_session(socket connected) {
  std::erase_if(sessions, [](const auto& s) { return s.expired(); });
  const auto added = std::make_shared<session>(std::move(connected), machines, options.session);
  if (sessions.size() >= options.max_sessions)
    return added->turn_away(fmt::format("{} sessions are served already, no more are", sessions.size()));
  sessions.push_back(added);
  added->start();
}

template <class Protocol>
void server::state::accept(asio::basic_socket_acceptor<Protocol>& acceptor) {
  acceptor.async_accept([this, &acceptor](boost::system::error_code error, typename Protocol::socket accepted) {
    if (!acceptor.is_open()) return;
    if (error) return later([this, &acceptor] { accept(acceptor); });
    if constexpr (std::is_same_v<Protocol, tcp>) accepted.set_option(tcp::no_delay(true), error);
    add_session(std::move(accepted));
    accept(acceptor);
  });
}

/// An accept failed: most likely the process is out of descriptors, and a session that ends gives one back.
void server::state::later(std::function<void()> again) {
  const auto pause = std::make_shared<asio::steady_timer>(io, std::chrono::milliseconds(100));
  pause->async_wait([pause, again = std::move(again)](boost::system::error_code) { again(); });
}

void server::state::close() {
  for (auto& acceptor : unix_acceptors) acceptor.close();
  for (auto& acceptor : tcp_acceptors) acceptor.close();
  socket_files.clear();
  for (const auto& s : sessions)
    if (const auto alive = s.lock()) alive->close();
  until_stopped.reset();
}

server::server(const server_options& options) : state_(std::make_unique<state>(options)) {
  // What is wrong with a client's bytes is answered, not printed.
  google::protobuf::SetLogHandler(nullptr);
}

server::~server() = default;

void server::listen_unix(const std::string& path) try {
  clear_stale_socket(state_->io, path);
  unix_stream::acceptor acceptor(state_->io, unix_stream());
  // The name takes its mode from the socket: nobody else can connect, not even before a chmod.
  if (fchmod(acceptor.native_handle(), S_IRUSR | S_IWUSR) != 0)
    throw std::system_error(errno, std::generic_category(), "fchmod");
  acceptor.bind(unix_stream::endpoint(path));
  state_->socket_files.emplace_back(path);
  acceptor.listen();
  state_->accept(state_->unix_acceptors.emplace_back(std::move(acceptor)));
} catch (const std::runtime_error& e) {
  throw std::runtime_error(fmt::format("cannot listen on {}: {}", path, e.what()));
}

u16 server::listen_tcp(const std::string& host, u16 port) try {
  const auto found = tcp::resolver(state_->io).resolve(host, std::to_string(port), tcp::resolver::passive);
  tcp::acceptor acceptor(state_->io, found.begin()->endpoint());
  const u16 bound = acceptor.local_endpoint().port();
  state_->accept(state_->tcp_acceptors.emplace_back(std::move(acceptor)));
  return bound;
} catch (const std::runtime_error& e) {
  throw std::runtime_error(fmt::format("cannot listen on {}:{}: {}", host, port, e.what()));
}

void server::serve(socket connected) {
  asio::post(state_->io, [this, s = std::move(connected)]() mutable { state_->add_session(std::move(s)); });
}

asio::io_context& server::context() { return state_->io; }

void server::run() { state_->io.run(); }

void server::stop() {
  asio::post(state_->io, [this] { state_->close(); });
}

}  // namespace pvmmu::xen
