#pragma once
// The guest's side of the channel: one session with a hypervisor, over a Unix socket, TCP or a socket pair.
//
//   auto client = channel_client::connect_unix("pvmmu.sock");      // pvmmu serve --unix pvmmu.sock
//   client.hello({.machine = machine_config{}});
//   start_info info = client.create_domain(domain_config{});
//   channel_domain dom = client.domain(info.domid);                 // a guest::hypercalls
//   dom.call(0, call, "xen_set_pmd_hyper");
//
// Each function sends one request and waits for its answer. Not for use by several threads at once.

#include <boost/asio/generic/stream_protocol.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "guest-pv/hypercalls.h"
#include "proto/abi/event.h"
#include "proto/abi/frame_state.h"
#include "proto/abi/note.h"
#include "proto/codec.h"
#include "proto/framing.h"

namespace pvmmu::guest {

/// The channel is gone, or its other end does not keep to the protocol. Nothing more can be asked of it.
class channel_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The hypervisor's side refused a request, in its own words. The session goes on.
class request_refused : public channel_error {
 public:
  using channel_error::channel_error;
};

/// How a session begins.
struct session_options {
  /// Nothing: the default machine, or whatever a shared machine is.
  std::optional<machine_config> machine{};
  /// Empty: a machine of the session's own. Otherwise one shared with all sessions that name it.
  std::string machine_name{};
  /// Whether the hypervisor tells what each call changes.
  bool events = false;
  /// Who asks, in words: what a recording says of its guest.
  std::string guest{};
};

class channel_domain;
class channel_session;

class channel_client {
 public:
  using socket = boost::asio::generic::stream_protocol::socket;

  static channel_client connect_unix(const std::string& path);
  static channel_client connect_tcp(const std::string& host, u16 port);
  /// A connected pair of sockets: `serve` is given the hypervisor's end, on its own context.
  static channel_client connect_pair(boost::asio::io_context& server_context, const std::function<void(socket)>& serve);

  ~channel_client();
  channel_client(channel_client&&) noexcept;
  channel_client& operator=(channel_client&&) noexcept;

  /// Opens the session. To be called first, once. Returns the machine that the session got.
  machine_config hello(const session_options& options);

  /// The preemption checks at which something else wants the processor, in each hypercall from now on: ascending
  /// from 1.
  void preempt_calls_at(std::vector<u32> checks);

  /// Who hears the events of calls, accesses and domains that go: in order, before the function that caused them
  /// returns.
  void listen(event_sink* sink);

  /// Whether the hypervisor's side records what is done on the machine, and notes with it. Known after hello.
  bool recorded() const;
  /// Rides with the next request. Where nothing is recorded it goes nowhere.
  void note(pvmmu::note n);
  /// Sends the notes that have not ridden with a request, with one that changes nothing.
  void send_notes();

  start_info create_domain(const domain_config& config);
  void destroy_domain(domid_t domid);
  /// One of the session's domains, for as long as the client (or what it was moved to) lives.
  channel_domain domain(domid_t domid);

  frame_state query_frame(mfn_t mfn);
  /// At most 65536 frames.
  std::vector<frame_state> query_frames(std::span<const mfn_t> mfns);
  /// The contents of a frame that one of the session's domains owns.
  table_contents read_table(mfn_t mfn);
  /// Xen's performance counters and the work behind them, by name, since the machine was made.
  std::map<std::string, u64> counters();

 private:
  explicit channel_client(std::unique_ptr<channel_session> session);
  std::unique_ptr<channel_session> session_;
};

/// A domain as the guest's kernel sees it.
class channel_domain final : public hypercalls {
 public:
  channel_domain(channel_session& session, domid_t domid) : session_(&session), domid_(domid) {}
  domid_t domid() const { return domid_; }

  /// The same as channel_client's.
  bool recorded() const;
  void note(note_kind kind, vcpu_id_t vcpu, std::string text, mfn_t mfn = {});

  std::expected<long, domain_crashed> call(vcpu_id_t vcpu, hypercall& call, std::string_view caller) override;
  std::expected<access_result, domain_crashed> access(vcpu_id_t vcpu, const access_request& request,
                                                      std::string_view caller) override;

 private:
  channel_session* session_;
  domid_t domid_;
};

}  // namespace pvmmu::guest
