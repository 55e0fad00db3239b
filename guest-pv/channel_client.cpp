#include "guest-pv/channel_client.h"

#include <google/protobuf/arena.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>

namespace pvmmu::guest {

namespace asio = boost::asio;
using asio::ip::tcp;
using google::protobuf::Arena;
using unix_stream = asio::local::stream_protocol;

namespace {

/// Holds the messages of nearly every exchange, so that the heap is seldom asked.
constexpr std::size_t first_block_bytes = std::size_t{1} << 16;
/// So many notes do not wait for the next request, but get one of their own.
constexpr std::size_t max_waiting_note_bytes = std::size_t{1} << 16;
/// What a note has beside its text takes at most.
constexpr std::size_t max_note_head_bytes = 40;

google::protobuf::ArenaOptions arena_options(std::vector<char>& first_block) {
  google::protobuf::ArenaOptions options;
  options.initial_block = first_block.data();
  options.initial_block_size = first_block.size();
  return options;
}

/// What the other end sent, if it keeps to the protocol.
template <class T>
T expect(decode_result<T> decoded) {
  if (!decoded) throw channel_error("the hypervisor's side sent what it must not: " + decoded.error());
  return *std::move(decoded);
}

}  // namespace

/// The connection: one exchange at a time, in memory that is used again.
class channel_session {
 public:
  explicit channel_session(std::unique_ptr<asio::io_context> io, channel_client::socket connected)
      : io_(std::move(io)),
        socket_(std::move(connected)),
        first_block_(first_block_bytes),
        arena_(arena_options(first_block_)) {}

  void listen(event_sink* sink) { sink_ = sink; }
  void record(bool recorded) { recorded_ = recorded; }
  bool recorded() const { return recorded_; }
  void note(pvmmu::note n);
  void send_notes();

  /// For each hypercall from now on (wire.proto).
  std::vector<u32> preempted_checks{};

  /// An empty request. Ends the life of the last answer.
  wire::request& new_request() {
    arena_.Reset();
    return *(request_ = Arena::CreateMessage<wire::request>(&arena_));
  }
  /// Sends that request and waits for its answer, which has `outcome`. Events are heard meanwhile.
  const wire::reply& ask(wire::reply::OutcomeCase outcome);

 private:
  void send();
  std::span<const u8> receive();
  void tell(const wire::reply& reply);

  std::unique_ptr<asio::io_context> io_;
  channel_client::socket socket_;
  frame_reader reader_{max_reply_bytes};
  std::vector<u8> out_;
  std::vector<pvmmu::note> notes_;  ///< that wait for a request
  std::size_t note_bytes_ = 0;      ///< at most, as they are sent
  bool recorded_ = false;
  std::vector<char> first_block_;
  Arena arena_;
  wire::request* request_ = nullptr;
  event_sink* sink_ = nullptr;
};

void channel_session::note(pvmmu::note n) {
  if (!recorded_) return;
  note_bytes_ += n.text.size() + max_note_head_bytes;
  notes_.push_back(std::move(n));
  if (note_bytes_ > max_waiting_note_bytes) send_notes();
}

void channel_session::send_notes() {
  if (notes_.empty()) return;
  new_request().mutable_read_counters();
  ask(wire::reply::kReadCounters);
}

void channel_session::send() {
  // A request that has no room for them must not fail for it: they wait for the next.
  if (request_->ByteSizeLong() + note_bytes_ <= max_request_bytes) {
    for (const pvmmu::note& n : notes_) encode(n, *request_->add_notes());
    notes_.clear();
    note_bytes_ = 0;
  }
  const std::size_t bytes = request_->ByteSizeLong();
  if (bytes > max_request_bytes)
    throw request_refused("a request of " + std::to_string(bytes) + " bytes, at most " +
                          std::to_string(max_request_bytes) + " can be sent");
  out_.clear();
  request_->SerializeWithCachedSizesToArray(add_frame(out_, static_cast<u32>(bytes)));
  boost::system::error_code error;
  asio::write(socket_, asio::buffer(out_), error);
  // A server that turns a session away says why before it closes: that is still to be read.
  if (error && error != asio::error::broken_pipe && error != asio::error::connection_reset)
    throw channel_error("the channel broke while a request was sent: " + error.message());
}

std::span<const u8> channel_session::receive() {
  while (true) {
    const auto payload = reader_.next();
    if (!payload) throw channel_error("the hypervisor's side sent what it must not: " + payload.error());
    if (*payload) return **payload;
    const std::span<u8> room = reader_.prepare();
    boost::system::error_code error;
    const std::size_t bytes = socket_.read_some(asio::buffer(room.data(), room.size()), error);
    if (error == asio::error::eof) throw channel_error("the hypervisor's side closed the channel");
    if (error) throw channel_error("the channel broke while an answer was expected: " + error.message());
    reader_.commit(bytes);
  }
}

void channel_session::tell(const wire::reply& reply) {
  for (const wire::event& e : reply.events()) {
    const event decoded = expect(decode(e));
    if (sink_) sink_->on_event(decoded);
  }
}

const wire::reply& channel_session::ask(wire::reply::OutcomeCase outcome) {
  send();
  auto& reply = *Arena::CreateMessage<wire::reply>(&arena_);
  do {
    const std::span<const u8> payload = receive();
    if (!reply.ParseFromArray(payload.data(), static_cast<int>(payload.size())))
      throw channel_error("the hypervisor's side sent bytes that are no pvmmu.wire.reply");
    tell(reply);
  } while (reply.outcome_case() == wire::reply::OUTCOME_NOT_SET);
  if (reply.has_error()) throw request_refused(reply.error().text());
  if (reply.outcome_case() != outcome) throw channel_error("the hypervisor's side gave the answer to another request");
  if (reply.events_dropped() != 0)
    throw channel_error("the hypervisor's side dropped " + std::to_string(reply.events_dropped()) +
                        " events of one request: more than it keeps");
  return reply;
}

channel_client::channel_client(std::unique_ptr<channel_session> session) : session_(std::move(session)) {}
channel_client::~channel_client() = default;
channel_client::channel_client(channel_client&&) noexcept = default;
channel_client& channel_client::operator=(channel_client&&) noexcept = default;

channel_client channel_client::connect_unix(const std::string& path) try {
  auto io = std::make_unique<asio::io_context>();
  unix_stream::socket connected(*io);
  connected.connect(unix_stream::endpoint(path));
  return channel_client(std::make_unique<channel_session>(std::move(io), std::move(connected)));
} catch (const boost::system::system_error& e) {
  throw channel_error("cannot connect to " + path + ": " + e.code().message());
}

channel_client channel_client::connect_tcp(const std::string& host, u16 port) try {
  auto io = std::make_unique<asio::io_context>();
  tcp::socket connected(*io);
  asio::connect(connected, tcp::resolver(*io).resolve(host, std::to_string(port)));
  connected.set_option(tcp::no_delay(true));
  return channel_client(std::make_unique<channel_session>(std::move(io), std::move(connected)));
} catch (const boost::system::system_error& e) {
  throw channel_error("cannot connect to " + host + ":" + std::to_string(port) + ": " + e.code().message());
}

channel_client channel_client::connect_pair(asio::io_context& server_context,
                                            const std::function<void(socket)>& serve) try {
  auto io = std::make_unique<asio::io_context>();
  unix_stream::socket ours(*io);
  unix_stream::socket theirs(server_context);
  asio::local::connect_pair(ours, theirs);
  serve(std::move(theirs));
  return channel_client(std::make_unique<channel_session>(std::move(io), std::move(ours)));
} catch (const boost::system::system_error& e) {
  throw channel_error("cannot make a pair of sockets: " + e.code().message());
}

machine_config channel_client::hello(const session_options& options) {
  wire::hello_request& request = *session_->new_request().mutable_hello();
  request.set_protocol_version(protocol_version);
  if (options.machine) encode(*options.machine, *request.mutable_machine());
  request.set_machine_name(options.machine_name);
  request.set_events(options.events);
  request.set_guest(options.guest);
  const wire::hello_reply& answer = session_->ask(wire::reply::kHello).hello();
  session_->record(answer.recorded());
  return decode(answer.machine());
}

bool channel_client::recorded() const { return session_->recorded(); }
void channel_client::note(pvmmu::note n) { session_->note(std::move(n)); }
void channel_client::send_notes() { session_->send_notes(); }

void channel_client::listen(event_sink* sink) { session_->listen(sink); }
void channel_client::preempt_calls_at(std::vector<u32> checks) { session_->preempted_checks = std::move(checks); }

start_info channel_client::create_domain(const domain_config& config) {
  encode(config, *session_->new_request().mutable_create_domain());
  return expect(decode(session_->ask(wire::reply::kCreateDomain).create_domain()));
}

void channel_client::destroy_domain(domid_t domid) {
  session_->new_request().mutable_destroy_domain()->set_domid(domid);
  session_->ask(wire::reply::kDestroyDomain);
}

channel_domain channel_client::domain(domid_t domid) { return {*session_, domid}; }

frame_state channel_client::query_frame(mfn_t mfn) { return query_frames({&mfn, 1}).front(); }

std::vector<frame_state> channel_client::query_frames(std::span<const mfn_t> mfns) {
  auto& request = *session_->new_request().mutable_query_frames();
  for (const mfn_t mfn : mfns) request.add_mfns(mfn.n);
  const auto& answer = session_->ask(wire::reply::kQueryFrames).query_frames().frames();
  if (static_cast<std::size_t>(answer.size()) != mfns.size())
    throw channel_error("the hypervisor's side answered for " + std::to_string(answer.size()) + " frames, asked for " +
                        std::to_string(mfns.size()));
  std::vector<frame_state> states;
  for (const wire::frame_state& frame : answer) states.push_back(expect(decode(frame)));
  return states;
}

table_contents channel_client::read_table(mfn_t mfn) {
  session_->new_request().mutable_read_table()->set_mfn(mfn.n);
  return expect(decode(session_->ask(wire::reply::kReadTable).read_table()));
}

std::map<std::string, u64> channel_client::counters() {
  session_->new_request().mutable_read_counters();
  std::map<std::string, u64> counters;
  for (const auto& counter : session_->ask(wire::reply::kReadCounters).read_counters().counters())
    counters.emplace(counter.name(), counter.value());
  return counters;
}

bool channel_domain::recorded() const { return session_->recorded(); }

void channel_domain::note(note_kind kind, vcpu_id_t vcpu, std::string text, mfn_t mfn) {
  session_->note({.kind = kind, .domid = domid_, .vcpu = vcpu, .text = std::move(text), .mfn = mfn});
}

std::expected<long, domain_crashed> channel_domain::call(vcpu_id_t vcpu, hypercall& call, std::string_view caller) {
  wire::hypercall_request& request = *session_->new_request().mutable_hypercall();
  request.set_domid(domid_);
  request.set_vcpu(vcpu);
  request.set_caller(caller.data(), caller.size());
  encode(call, *request.mutable_call());
  const std::vector<u32>& checks = session_->preempted_checks;
  request.mutable_preempted_checks()->Add(checks.begin(), checks.end());
  const wire::hypercall_reply& answer = session_->ask(wire::reply::kHypercall).hypercall();
  if (answer.crashed()) return std::unexpected(domain_crashed{});
  return expect(apply_outcome(answer.outcome(), call));
}

std::expected<access_result, domain_crashed> channel_domain::access(vcpu_id_t vcpu, const access_request& access,
                                                                    std::string_view caller) {
  wire::access_request& request = *session_->new_request().mutable_access();
  request.set_domid(domid_);
  request.set_vcpu(vcpu);
  request.set_caller(caller.data(), caller.size());
  encode(access, request);
  const wire::access_reply& answer = session_->ask(wire::reply::kAccess).access();
  if (answer.crashed()) return std::unexpected(domain_crashed{});
  return decode(answer);
}

}  // namespace pvmmu::guest
