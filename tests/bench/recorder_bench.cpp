// What recording costs: mmu_updates as a session handles them, with nobody listening and with a recorder, in turns, so
// that whatever else the machine does meets both alike.
//
//   recorder_bench [ROUNDS]

#include <fmt/format.h>
#include <stdlib.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "hypervisor-model/server_handler.h"
#include "proto/framing.h"
#include "tools/recorder/recorder.h"

namespace {

using namespace pvmmu;
using std::chrono::steady_clock;

constexpr unsigned calls_per_round = 2000;

/// A session with a domain, and calls that map one frame or another at some entries of an L1.
class session {
 public:
  session(xen::server_listener_factory listens, unsigned entries) : machines_(std::move(listens)) {
    wire::request request;
    request.mutable_hello()->set_protocol_version(protocol_version);
    ask(request.SerializeAsString());
    encode(domain_config{.pages = 4096}, *request.mutable_create_domain());
    const start_info info = *decode(ask(request.SerializeAsString()).create_domain());
    const u64 l4_pfn = (info.pt_base - info.virt_base) >> PAGE_SHIFT;
    const mfn_t l1 = info.p2m.front().mfn + (l4_pfn + 1);
    for (unsigned turn = 0; turn < 2; ++turn) {
      std::vector<mmu_update_t> list;
      for (unsigned slot = 0; slot < entries; ++slot) {
        const mfn_t frame = info.p2m.front().mfn + (info.mapped_pages + entries * turn + slot);
        list.push_back({mfn_to_maddr(l1, 8 * slot).bytes, make_pte(frame, PAGE_PRESENT | PAGE_RW | PAGE_USER)});
      }
      request.mutable_hypercall()->set_caller("xen_set_pte");
      encode(mmu_update_call{.ureqs = {list}, .count = entries, .foreigndom = DOMID_SELF},
             *request.mutable_hypercall()->mutable_call());
      calls_[turn] = request.SerializeAsString();
    }
  }

  /// Nanoseconds a call.
  double round() {
    const auto begin = steady_clock::now();
    for (unsigned i = 0; i < calls_per_round; ++i) handle(calls_[i % 2]);
    return std::chrono::duration<double, std::nano>(steady_clock::now() - begin).count() / calls_per_round;
  }

 private:
  void handle(const std::string& payload) {
    out_.clear();
    handler_.handle({reinterpret_cast<const u8*>(payload.data()), payload.size()}, out_);
  }
  wire::reply ask(const std::string& payload) {
    handle(payload);
    wire::reply reply;
    reply.ParseFromArray(out_.data() + frame_header_bytes, static_cast<int>(out_.size() - frame_header_bytes));
    return reply;
  }

  xen::server_machines machines_;
  xen::server_handler handler_{machines_, {}};
  std::vector<u8> out_;
  std::string calls_[2];
};

void measure(unsigned entries, unsigned rounds, const std::string& path) {
  double alone = 1e18;  // the best of all rounds: whatever disturbs one makes it longer
  double recorded = 1e18;
  {
    tools::recorder r(path, [](const std::string& line) { fmt::print(stderr, "{}\n", line); });
    session heard(r.listens(), entries);
    session unheard({}, entries);
    for (unsigned i = 0; i < rounds; ++i) {
      alone = std::min(alone, unheard.round());
      recorded = std::min(recorded, heard.round());
    }
  }
  const auto bytes = static_cast<double>(std::filesystem::file_size(path));
  fmt::print("mmu_update of {:2}: {:6.0f} ns a call, {:6.0f} ns recorded; {:.1f} bytes a call\n", entries, alone,
             recorded, bytes / (calls_per_round * rounds));
}

}  // namespace

int main(int argc, char** argv) {
  const unsigned rounds = argc > 1 ? static_cast<unsigned>(std::stoul(argv[1])) : 50;
  std::string folder = (std::filesystem::temp_directory_path() / "pvmmu-bench-XXXXXX").string();
  if (!mkdtemp(folder.data())) return 1;
  for (const unsigned entries : {1u, 32u}) measure(entries, rounds, folder + "/x.rec");
  std::filesystem::remove_all(folder);
}
