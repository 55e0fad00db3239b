// What the protocol costs: batches of 32 mmu_updates over a Unix socket, beside a bare echo of the same bytes by the
// same kind of session. Both are measured in turns, so that whatever else the machine does meets both alike.
//
//   channel_bench [ROUNDS]

#include <fmt/format.h>
#include <stdlib.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <filesystem>
#include <thread>

#include "guest-pv/channel_client.h"
#include "hypervisor-model/server.h"
#include "hypervisor-model/server_session.h"
#include "proto/codec.h"

namespace {

using namespace pvmmu;
using boost::asio::local::stream_protocol;

constexpr unsigned batch_entries = 32;
constexpr unsigned exchanges_per_round = 2000;

struct echo_handler {
  void handle(std::span<const u8> payload, std::vector<u8>& out) {
    std::ranges::copy(payload, add_frame(out, static_cast<u32>(payload.size())));
  }
  void refuse_stream(const std::string&, std::vector<u8>&) {}
};

/// Serves one connection from its socket file.
class echo_server {
 public:
  explicit echo_server(const std::string& path) : acceptor_(io_, path) {
    acceptor_.async_accept([](boost::system::error_code error, stream_protocol::socket accepted) {
      if (!error) std::make_shared<xen::server_session<echo_handler>>(std::move(accepted))->start();
    });
    thread_ = std::jthread([this] { io_.run(); });
  }

 private:
  boost::asio::io_context io_{1};
  stream_protocol::acceptor acceptor_;
  std::jthread thread_;
};

/// Sends a frame and reads it back.
class echo_client {
 public:
  explicit echo_client(const std::string& path) : socket_(io_) { socket_.connect(path); }
  void exchange(std::span<const u8> frame) {
    boost::asio::write(socket_, boost::asio::buffer(frame.data(), frame.size()));
    while (!*reader_.next()) {
      const std::span<u8> room = reader_.prepare();
      reader_.commit(socket_.read_some(boost::asio::buffer(room.data(), room.size())));
    }
  }

 private:
  boost::asio::io_context io_;
  stream_protocol::socket socket_;
  frame_reader reader_{max_reply_bytes};
};

/// Batches that map other frames, writable, at 32 entries of a table: each takes and drops references.
class batches {
 public:
  explicit batches(const start_info& info) {
    const u64 l4_pfn = (info.pt_base - info.virt_base) >> PAGE_SHIFT;
    const mfn_t l1 = info.p2m.front().mfn + (l4_pfn + 1);
    for (unsigned turn = 0; turn < 2; ++turn) {
      for (unsigned slot = 0; slot < batch_entries; ++slot) {
        const mfn_t frame = info.p2m.front().mfn + (info.mapped_pages + batch_entries * turn + slot);
        lists_[turn].push_back({mfn_to_maddr(l1, 8 * slot).bytes, make_pte(frame, PAGE_PRESENT | PAGE_RW | PAGE_USER)});
      }
    }
  }
  hypercall next() {
    return mmu_update_call{.ureqs = {lists_[turn_ ^= 1]},
                           .count = batch_entries,
                           .pdone = {.where = done_arg::state::writable},
                           .foreigndom = DOMID_SELF};
  }

 private:
  std::vector<mmu_update_t> lists_[2];
  unsigned turn_ = 0;
};

std::vector<u8> request_frame(hypercall call, domid_t domid) {
  wire::request request;
  request.mutable_hypercall()->set_domid(domid);
  request.mutable_hypercall()->set_caller("xen_mc_flush");
  encode(call, *request.mutable_hypercall()->mutable_call());
  std::vector<u8> frame;
  const std::string payload = request.SerializeAsString();
  std::ranges::copy(payload, add_frame(frame, static_cast<u32>(payload.size())));
  return frame;
}

/// Exchanges a second.
template <class Exchange>
double rate(Exchange exchange) {
  const auto start = std::chrono::steady_clock::now();
  for (unsigned i = 0; i < exchanges_per_round; ++i) exchange();
  return exchanges_per_round / std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

void expect_all_done(long result) {
  if (result != 0) throw std::runtime_error(fmt::format("mmu_update gave {}", result));
}

void measure(const std::string& folder, int rounds) {
  xen::server server;
  server.listen_unix(folder + "/server");
  const std::jthread thread([&] { server.run(); });
  auto client = guest::channel_client::connect_unix(folder + "/server");
  client.hello({});
  const start_info info = client.create_domain({.pages = 4096, .kernel_pages = 64});
  guest::channel_domain domain = client.domain(info.domid);
  batches calls(info);

  echo_server echo(folder + "/echo");
  echo_client echoed(folder + "/echo");
  const std::vector<u8> frame = request_frame(calls.next(), info.domid);

  std::vector<double> echo_rates, channel_rates, ratios;
  for (int round = 0; round < rounds; ++round) {
    echo_rates.push_back(rate([&] { echoed.exchange(frame); }));
    channel_rates.push_back(rate([&] {
      hypercall call = calls.next();
      expect_all_done(domain.call(0, call, "xen_mc_flush").value());
    }));
    ratios.push_back(channel_rates.back() / echo_rates.back());
  }
  server.stop();
  fmt::print("batches of {} mmu_updates, {} bytes each, over a Unix socket; medians of {} rounds\n", batch_entries,
             frame.size(), rounds);
  fmt::print("  echo of the same bytes  {:9.0f} /s\n", median(echo_rates));
  fmt::print("  carried out             {:9.0f} /s\n", median(channel_rates));
  fmt::print("  ratio                   {:9.2f}    (at least 0.50 is wanted)\n", median(ratios));
}

}  // namespace

int main(int argc, char** argv) try {
  std::string folder = std::filesystem::temp_directory_path() / "pvmmu-bench-XXXXXX";
  if (!mkdtemp(folder.data())) throw std::runtime_error("no folder for sockets: " + folder);
  measure(folder, argc > 1 ? std::atoi(argv[1]) : 15);
  std::filesystem::remove_all(folder);
} catch (const std::exception& e) {
  fmt::print(stderr, "channel_bench: {}\n", e.what());
  return 3;
}
