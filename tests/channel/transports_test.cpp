// The same run is the same, byte for byte, whatever carries it.

#include <gtest/gtest.h>

#include <iostream>

#include "tests/channel/running_server.h"
#include "tests/proto/random_call.h"

namespace pvmmu {
namespace {

using namespace testing;
using guest::channel_client;

/// All that a guest's side gets to know, as text.
class protocol final : public event_sink {
 public:
  void on_event(const event& e) override {
    text_ += fmt::format("  event {} {} {:x} {:x} {:x} {}\n", static_cast<int>(e.kind), e.slot, e.mfn.n, e.old, e.value,
                         e.text);
  }
  template <class... Args>
  void add(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
    text_ += '\n';
  }
  void add_results(const hypercall& call) {
    if (const auto* update = std::get_if<mmu_update_call>(&call))
      add("  done {} {}", update->pdone.value, update->pdone.written);
    if (const auto* ext = std::get_if<mmuext_op_call>(&call)) add("  done {} {}", ext->pdone.value, ext->pdone.written);
    if (const auto* multicall = std::get_if<multicall_call>(&call)) {
      for (const multicall_entry& entry : multicall->call_list) {
        add("  entry {} {}", entry.result, entry.overwritten);
        add_results(entry.call);
      }
    }
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

/// Updates of the domain's own tables, some of them wrong; they name real frames, so that something happens.
hypercall plausible_call(std::vector<mmu_update_t>& list, random_calls& random, const start_info& info) {
  const u64 first_table = (info.pt_base - info.virt_base) >> PAGE_SHIFT;
  const mfn_t base = info.p2m.front().mfn;
  list.clear();
  for (u64 i = random.below(8) + 1; i > 0; --i) {
    const mfn_t table = base + (first_table + random.below(info.nr_pt_frames));
    const mfn_t target = base + random.below(info.nr_pages);
    list.push_back({mfn_to_maddr(table, 8 * random.below(512)).bytes,
                    random.below(4) == 0 ? 0 : make_pte(target, PAGE_PRESENT | (random.below(2) ? PAGE_RW : 0))});
  }
  return mmu_update_call{{list}, static_cast<u32>(list.size()), {.where = done_arg::state::writable}, DOMID_SELF};
}

void run_call(channel_client& client, const start_info& info, hypercall& call, protocol& log) {
  const auto result = client.domain(info.domid).call(0, call, "test");
  log.add("{}: {}", hypercall_name(call), result ? *result : 0x1dead);
  log.add_results(call);
}

std::string run(channel_client client, u64 seed) {
  protocol log;
  client.listen(&log);
  client.hello({.machine = machine_config{.frames = 8192, .debug_build = true}, .machine_name = "", .events = true});
  const start_info info = client.create_domain({.pages = 2048, .kernel_pages = 16});
  random_calls random(seed);
  std::vector<mmu_update_t> list;
  for (int i = 0; i < 300; ++i) {
    hypercall call = random.below(4) == 0 ? random.any() : plausible_call(list, random, info);
    run_call(client, info, call, log);
    const u64 va = info.virt_base + (random.below(info.mapped_pages) << PAGE_SHIFT);
    const auto access = client.domain(info.domid).access(0, {.kind = access_kind::xchg, .va = va, .value = 1}, "test");
    if (access) log.add("access {} {:x} {:x} {}", access->fault, access->cr2, access->value, access->emulated);
  }
  for (const auto& [name, value] : client.counters()) log.add("{} {}", name, value);
  client.destroy_domain(info.domid);
  return log.text();
}

// One sequence of calls, right and wrong, gives the same results, events and messages in process, over a Unix socket
// and over TCP, and again on the same server.
TEST(transports, all_tell_the_same) {
  constexpr u64 seed = 6;
  std::cout << "seed " << seed << "\n";
  running_server server;
  const std::string in_process = run(server.over_pair(), seed);
  EXPECT_GT(std::ranges::count(in_process, '\n'), 5000) << "enough has happened to be worth comparing";
  EXPECT_NE(in_process.find("(XEN) "), std::string::npos) << "messages are among it";
  EXPECT_EQ(run(server.over_unix(), seed), in_process);
  EXPECT_EQ(run(server.over_tcp(), seed), in_process);
  EXPECT_EQ(run(server.over_pair(), seed), in_process);
}

}  // namespace
}  // namespace pvmmu
