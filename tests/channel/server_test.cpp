#include "hypervisor-model/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <chrono>
#include <fstream>

#include "guest-pv/p2m.h"
#include "tests/channel/running_server.h"
#include "tests/scratch_directory.h"

namespace pvmmu {
namespace {

using namespace testing;
using guest::channel_client;
using guest::channel_error;
using ::testing::HasSubstr;

constexpr domain_config small_domain{.pages = 2048, .kernel_pages = 16};

/// Clears the first entry of the domain's L4, which is empty: a call that succeeds and changes nothing.
mmu_update_call harmless_call(std::vector<mmu_update_t>& list, const start_info& info) {
  const pfn_t l4_pfn{(info.pt_base - info.virt_base) >> PAGE_SHIFT};
  // On a machine that others use, a domain's frames may lie in several pieces.
  const guest::p2m p2m(info.p2m, info.nr_pages);
  list.assign(32, {mfn_to_maddr(p2m.pfn_to_mfn(l4_pfn)).bytes, 0});
  return {{list}, static_cast<u32>(list.size()), {}, DOMID_SELF};
}

/// A session in good order: whether it is served, whatever others do.
class bystander {
 public:
  explicit bystander(running_server& server, const std::string& machine = "") : client_(server.over_unix()) {
    client_.hello({.machine_name = machine});
    info_ = client_.create_domain(small_domain);
  }

  void expect_served() {
    std::vector<mmu_update_t> list;
    hypercall call = harmless_call(list, info_);
    const auto result = client_.domain(info_.domid).call(0, call, "bystander");
    ASSERT_TRUE(result.has_value());
    EXPECT_EQ(*result, 0);
  }

  /// Whether a frame loses its owner, sooner or later: a session's end takes its time.
  bool sees_freed(mfn_t mfn) {
    for (int tries = 0; tries < 5000; ++tries) {
      if (!client_.query_frame(mfn).owner) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
  }

 private:
  channel_client client_;
  start_info info_;
};

/// Hello and a domain with raw frames.
wire::start_info begin(raw_connection& raw, const std::string& machine) {
  wire::request request = hello(machine);
  request.mutable_hello()->set_events(true);
  EXPECT_TRUE(raw.ask(request).has_hello());
  return raw.ask(create_domain(small_domain)).create_domain();
}

std::string error_of(const auto& act) {
  try {
    act();
  } catch (const std::runtime_error& e) {
    return e.what();
  }
  return "no error";
}

// Two sessions at once, request by request in turn, over different transports.
TEST(server, several_sessions_are_served_in_turn) {
  running_server server;
  std::vector<channel_client> clients;
  clients.push_back(server.over_pair());
  clients.push_back(server.over_unix());
  clients.push_back(server.over_tcp());
  std::vector<start_info> infos;
  for (channel_client& client : clients) {
    client.hello({.machine_name = "bench"});
    infos.push_back(client.create_domain(small_domain));
  }
  for (int round = 0; round < 20; ++round) {
    for (std::size_t i = 0; i < clients.size(); ++i) {
      std::vector<mmu_update_t> list;
      hypercall call = harmless_call(list, infos[i]);
      EXPECT_EQ(clients[i].domain(infos[i].domid).call(0, call, "test").value(), 0);
      EXPECT_EQ(clients[i].query_frame(infos[(i + 1) % 3].p2m.front().mfn).owner, infos[(i + 1) % 3].domid);
    }
  }
}

// Sessions in several threads at once do not disturb each other.
TEST(server, sessions_in_several_threads_are_served) {
  running_server server;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&server] {
      bystander session(server, "bench");
      for (int round = 0; round < 50; ++round) session.expect_served();
    });
  }
}

// A client that goes in the middle of a frame, wherever that is, costs nobody but itself: its domain goes as well.
TEST(server, a_client_gone_mid_frame_is_forgotten) {
  running_server server;
  bystander other(server, "bench");
  const std::vector<u8> frame = framed(make_call(1, mmu_update_call{}).SerializeAsString());
  for (const std::size_t sent : {std::size_t{1}, std::size_t{4}, frame.size() - 1}) {
    mfn_t mfn{};
    {
      raw_connection raw(server.path());
      mfn.n = begin(raw, "bench").p2m(0).mfn();
      raw.send(std::span(frame).first(sent));
    }
    other.expect_served();
    EXPECT_TRUE(other.sees_freed(mfn)) << sent << " bytes of a frame";
  }
}

// A client that goes without waiting for the answers to its batches: those that arrived whole are carried out, the rest
// is forgotten, and the domain goes with its session.
TEST(server, a_client_gone_mid_batch_is_forgotten) {
  running_server server;
  bystander other(server, "bench");
  mfn_t mfn{};
  {
    raw_connection raw(server.path());
    const auto info = decode(begin(raw, "bench"));
    ASSERT_TRUE(info);
    mfn = info->p2m.front().mfn;
    std::vector<mmu_update_t> list;
    const mmu_update_call call = harmless_call(list, *info);
    for (int i = 0; i < 20; ++i) raw.send(make_call(info->domid, call));
  }
  other.expect_served();
  EXPECT_TRUE(other.sees_freed(mfn));
}

// Requests sent in one go are answered one by one, in their order, also when the sender has closed its side.
TEST(server, requests_may_be_sent_ahead) {
  running_server server;
  raw_connection raw(server.path());
  begin(raw, "");
  raw.send(query_frame(0));
  raw.send(read_table(~u64{0}));
  raw.send(destroy_domain(0));
  raw.end_sending();
  EXPECT_TRUE(raw.receive()->has_query_frames());
  EXPECT_TRUE(raw.receive()->has_error());
  EXPECT_TRUE(raw.receive()->has_destroy_domain());
  EXPECT_FALSE(raw.receive());
}

// A frame beyond the bound is answered and ends the connection, for where the next one begins is not known.
TEST(server, an_oversize_frame_ends_its_session_only) {
  running_server server;
  bystander other(server);
  for (const std::vector<u8>& header : {std::vector<u8>{1, 0, 0x10, 0}, std::vector<u8>{0xff, 0xff, 0xff, 0xff}}) {
    raw_connection raw(server.path());
    raw.send(header);
    const auto reply = raw.receive();
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->error().code(), wire::error::malformed_frame);
    EXPECT_THAT(reply->error().text(), HasSubstr("at most 1048576 are expected"));
    EXPECT_FALSE(raw.receive());
  }
  other.expect_served();
}

// Bytes that are no message are answered within the session, which goes on.
TEST(server, an_unknown_message_is_answered) {
  running_server server;
  raw_connection raw(server.path());
  raw.send(framed("\xa2\x06\x02hi"));
  EXPECT_EQ(raw.receive()->error().code(), wire::error::unknown_request);
  raw.send(framed("\xff\xff"));
  EXPECT_EQ(raw.receive()->error().code(), wire::error::malformed_request);
  EXPECT_TRUE(raw.ask(hello()).has_hello());
}

// One session more than there is room for is told so; when another has gone, there is room again.
TEST(server, sessions_beyond_the_bound_are_turned_away) {
  running_server server({.max_sessions = 1});
  {
    bystander only(server);
    channel_client refused = server.over_unix();
    EXPECT_EQ(error_of([&] { refused.hello({}); }), "1 sessions are served already, no more are");
    EXPECT_THROW(refused.hello({}), channel_error) << "the connection has been closed";
    only.expect_served();
  }
  std::string error;
  for (int tries = 0; tries < 1000; ++tries) {
    error = error_of([&] { server.over_unix().hello({}); });
    if (error == "no error") break;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(error, "no error");
}

// The socket's owner alone may connect, from the moment it is there; with the server it goes.
TEST(server, a_unix_socket_is_its_owners) {
  std::string path;
  {
    running_server server;
    path = server.path();
    struct stat info{};
    ASSERT_EQ(stat(path.c_str(), &info), 0);
    EXPECT_TRUE(S_ISSOCK(info.st_mode));
    EXPECT_EQ(info.st_mode & 0777, 0600u);
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

// A server replaces a socket that nobody listens on, but neither a file of another kind nor another server.
TEST(server, only_a_stale_socket_is_replaced) {
  const scratch_directory scratch;
  const std::string path = scratch.path("server");
  {
    boost::asio::io_context io;
    boost::asio::local::stream_protocol::acceptor left_behind(io, path);
  }
  ASSERT_TRUE(std::filesystem::is_socket(path));
  xen::server first;
  first.listen_unix(path);
  xen::server second;
  EXPECT_EQ(error_of([&] { second.listen_unix(path); }), "cannot listen on " + path + ": another server listens there");

  const std::string file = scratch.path("file");
  std::ofstream(file) << "precious";
  EXPECT_EQ(error_of([&] { second.listen_unix(file); }),
            "cannot listen on " + file + ": something other than a socket is there, and is not replaced");
  EXPECT_EQ(std::filesystem::file_size(file), 8u);
  EXPECT_THAT(error_of([&] { second.listen_unix(scratch.path("no/such/folder")); }), HasSubstr("cannot listen on "));
  EXPECT_THAT(error_of([&] { second.listen_unix(std::string(200, 'x')); }), HasSubstr("cannot listen on "));
}

// A server on 127.0.0.1 is not to be reached at any other address of the same machine; one on 0.0.0.0 is.
TEST(server, tcp_is_loopback_unless_told_otherwise) {
  running_server server;
  server.over_tcp().hello({});
  EXPECT_THAT(error_of([&] { channel_client::connect_tcp("127.0.0.2", server.port()); }), HasSubstr("refused"));

  xen::server open_to_all;
  const u16 port = open_to_all.listen_tcp("0.0.0.0", 0);
  const std::jthread thread([&] { open_to_all.run(); });
  channel_client::connect_tcp("127.0.0.2", port).hello({});
  open_to_all.stop();
}

// A port that is taken is said to be.
TEST(server, a_port_in_use_is_refused) {
  running_server server;
  xen::server other;
  EXPECT_THAT(
      error_of([&] { other.listen_tcp("127.0.0.1", server.port()); }),
      HasSubstr("cannot listen on 127.0.0.1:" + std::to_string(server.port()) + ": bind: Address already in use"));
}

// The client says what is wrong: nobody there, a server that has gone, a request that was refused and after which the
// session goes on.
TEST(channel_client, says_what_is_wrong) {
  const scratch_directory scratch;
  EXPECT_EQ(error_of([&] { channel_client::connect_unix(scratch.path("nobody")); }),
            "cannot connect to " + scratch.path("nobody") + ": No such file or directory");
  auto server = std::make_unique<running_server>();
  channel_client client = server->over_unix();
  EXPECT_THROW(client.create_domain({}), guest::request_refused);
  client.hello({});
  EXPECT_THROW(client.read_table({~u64{0}}), guest::request_refused);
  EXPECT_EQ(client.create_domain(small_domain).domid, 0);
  std::vector<mmu_update_t> too_many(100000, {1, 1});
  hypercall call = mmu_update_call{{too_many}, 100000, {}, DOMID_SELF};
  EXPECT_THAT(error_of([&] { (void)client.domain(0).call(0, call, "test"); }), HasSubstr("at most 1048576"));
  EXPECT_EQ(client.counters().at("calls_to_mmu_update"), 0u);
  server.reset();
  EXPECT_THROW(client.counters(), channel_error);
}

}  // namespace
}  // namespace pvmmu
