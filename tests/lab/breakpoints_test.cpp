// The real Xen, stopped at its own functions through QEMU's gdb stub: what calls it gets is what the programs made, and
// the memory that the stub shows is the memory that the lab sees.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "tools/lab/encode.h"
#include "tools/lab/lab.h"
#include "tools/lab/machine_in_qemu.h"
#include "tools/lab/stopped_xen.h"

namespace pvmmu::lab {
namespace {

using std::chrono::seconds;

/// One call of do_mmu_update, as its handler sees it.
struct seen_call {
  std::vector<u64> ureqs;  ///< ptr and val, in turn
  u64 pdone = 0;
  u64 foreigndom = 0;
  std::string caller;
  u64 cr3 = 0;
  bool goes_on = false;  ///< Xen has let others run, and calls itself again for the rest of a list
};

/// Programs of known batches: the numbers of their entries, 2 and more, are what tells them from the probe's own calls,
/// which have one entry.
std::vector<program> programs() {
  const auto batch = [](u32 table, u32 entries) {
    mmu_update call{.count = entries};
    for (u32 i = 0; i < entries; ++i) call.ureqs.push_back({entry_of(table, i), pte_to(1, PAGE_PRESENT | u64{i} << 9)});
    return call;
  };
  const mmuext_op pin{.uops = {{.cmd = MMUEXT_PIN_L1_TABLE, .arg1 = mfn_of_frame(0)}}, .count = 1};
  std::vector<program> all(3, program{.nr_frames = 2});
  all[0].calls = {pin, batch(0, 2), batch(0, 3)};
  all[1].calls = {pin, multicall{.entries = {batch(0, 4), batch(0, 5)}, .nr_calls = 2}};
  mmu_update refused = batch(0, 2);
  refused.foreigndom = probe::foreign_domid;
  refused.pdone = {.where = done_arg::state::writable, .value = 77};
  all[2].calls = {pin, refused};
  return all;
}

/// A boot under the eyes of the stub: every call of do_mmu_update until the probe is done. For all tests.
struct watched_boot {
  watched_boot();

  symbol_map symbols{fetch_xen().symbols};
  std::shared_ptr<shared_memory> ram = std::make_shared<shared_memory>("ram", u64{1024} << 20);
  shared_memory dump{"dump", u64{3072} * 256 * sizeof(xen::page_info)};
  std::vector<u8> module_bytes = encode(programs());
  shared_memory module{"programs", module_bytes.size()};
  std::optional<machine_in_qemu> machine;
  std::vector<seen_call> calls;
  std::vector<program_answer> answers;

 private:
  void watch();
  bool runs_to_a_call(const deadline& until);
  seen_call look();

  u64 results_maddr_ = 0;
  u64 results_bytes_ = 0;
};

watched_boot::watched_boot() {
  std::memcpy(module.data(), module_bytes.data(), module_bytes.size());
  machine.emplace(
      boot_options{
          .xen = fetch_xen().image, .modules = {{PVMMU_PROBE, ""}, {module.path(), ""}}, .dom0_vcpus = 2, .gdb = true},
      *ram);
  machine->gdb().set_breakpoint(symbols.address("do_mmu_update"));
  watch();
}

void watched_boot::watch() {
  const deadline until{seconds{120}};
  while (runs_to_a_call(until)) {
    seen_call call = look();
    if (!call.goes_on) {
      calls.push_back(std::move(call));
    } else if (const auto& whole = calls.back().ureqs;
               whole.size() < call.ureqs.size() ||
               !std::equal(call.ureqs.begin(), call.ureqs.end(), whole.end() - std::ssize(call.ureqs))) {
      throw lab_error("Xen goes on with a list that it has not begun");
    }
  }
  answers = decode(programs(), {ram->data() + results_maddr_, results_bytes_});
}

/// False: the probe is done, and the machine was told to stop.
bool watched_boot::runs_to_a_call(const deadline& until) {
  bool done = false;
  machine->gdb().cont();
  while (!until.passed() && !machine->gdb().wait(deadline{std::chrono::milliseconds{20}})) {
    while (const auto line = machine->next_line(deadline{std::chrono::milliseconds{0}})) {
      std::sscanf(line->c_str(), "PROBE RESULTS %lx %lx", &results_maddr_, &results_bytes_);
      done = done || line->starts_with("PROBE DONE");
    }
    if (done) machine->gdb().interrupt();
  }
  if (until.passed()) throw lab_error("the probe is not done in time");
  return !done;
}

seen_call watched_boot::look() {
  gdb_client& gdb = machine->gdb();
  const gdb_registers& now = gdb.registers();
  if (now["rip"] != symbols.address("do_mmu_update")) throw lab_error("stopped at " + symbols.name(now["rip"]));
  seen_call call{.ureqs = {},
                 .pdone = now["rdx"],
                 .foreigndom = now["rcx"],
                 .caller = symbols.name(gdb.get<u64>(now["rsp"])),
                 .cr3 = now["cr3"],
                 .goes_on = (now["rsi"] & MMU_UPDATE_PREEMPTED) != 0};
  call.ureqs.resize(2 * (now["rsi"] & ~MMU_UPDATE_PREEMPTED));
  if (const auto done = gdb.read(now["rdi"], {reinterpret_cast<u8*>(call.ureqs.data()), 8 * call.ureqs.size()}); !done)
    throw lab_error(done.error());
  return call;
}

class breakpoints : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!std::getenv("PVMMU_SKIP_LAB")) boot_ = std::make_unique<watched_boot>();
  }
  static void TearDownTestSuite() { boot_.reset(); }
  void SetUp() override {
    if (!boot_) GTEST_SKIP() << "PVMMU_SKIP_LAB is set";
  }

  static inline std::unique_ptr<watched_boot> boot_;
};

/// What the handler must see of a batch of batch(0, entries).
std::vector<u64> expected(const program_answer& where, u64 entries) {
  std::vector<u64> ureqs;
  for (u64 i = 0; i < entries; ++i) {
    ureqs.push_back(mfn_to_maddr(*where.frame(0)).bytes + 8 * i);
    ureqs.push_back(make_pte(*where.frame(1), PAGE_PRESENT | i << 9));
  }
  return ureqs;
}

// Each batch is seen once, in the order of the programs, with the entries that the program wrote, the domain that it
// named and its `done`; those of a multicall come from there.
TEST_F(breakpoints, see_every_call_with_its_arguments) {
  struct known {
    u64 program;
    u64 entries;
    u64 foreigndom;
    bool pdone;
    const char* caller;
  };
  const std::vector<known> made{{0, 2, DOMID_SELF, false, "pv_hypercall+"},
                                {0, 3, DOMID_SELF, false, "pv_hypercall+"},
                                {1, 4, DOMID_SELF, false, "pv_do_multicall_call+"},
                                {1, 5, DOMID_SELF, false, "pv_do_multicall_call+"},
                                {2, 2, probe::foreign_domid, true, "pv_hypercall+"}};
  std::vector<seen_call> batches;
  for (const seen_call& call : boot_->calls)
    if (call.ureqs.size() > 2) batches.push_back(call);
  ASSERT_EQ(batches.size(), made.size());
  for (std::size_t i = 0; i < made.size(); ++i) {
    const program_answer& where = boot_->answers.at(made[i].program);
    EXPECT_EQ(batches[i].ureqs, expected(where, made[i].entries)) << i;
    EXPECT_EQ(batches[i].foreigndom, made[i].foreigndom) << i;
    EXPECT_EQ(batches[i].pdone != 0, made[i].pdone) << i;
    EXPECT_TRUE(batches[i].caller.starts_with(made[i].caller)) << batches[i].caller;
    EXPECT_EQ(maddr_t{batches[i].cr3}.bytes, mfn_to_maddr(where.probe_l4).bytes) << i;
  }
}

// The other calls are the probe's own: one for each program, which gives it its window.
TEST_F(breakpoints, count_every_call) {
  std::vector<u64> windows;
  for (const seen_call& call : boot_->calls)
    if (call.ureqs.size() == 2) windows.push_back(call.ureqs[1] & PTE_ADDR_MASK);
  for (const program_answer& answer : boot_->answers)
    EXPECT_EQ(std::count(windows.begin(), windows.end(), mfn_to_maddr(answer.window_l1).bytes), 1);
}

// The frame table at Xen's virtual addresses and the frames at their physical ones are what the lab reads in its way.
TEST_F(breakpoints, show_the_memory_that_the_lab_sees) {
  constexpr u64 frame_table = 0xffff82e000000000;
  gdb_client& gdb = boot_->machine->gdb();
  const stopped_xen lab_view{*boot_->machine, boot_->ram, boot_->dump, boot_->symbols};
  std::vector<xen::page_info> table(lab_view.frames());
  ASSERT_TRUE(gdb.read(frame_table, {reinterpret_cast<u8*>(table.data()), table.size() * sizeof table[0]}));
  for (mfn_t mfn{0}; mfn.n < table.size(); ++mfn) {
    ASSERT_EQ(table[mfn.n].count_info, lab_view.frame(mfn).count_info) << fmt::format("{:#x}", mfn.n);
    ASSERT_EQ(table[mfn.n].type_info, lab_view.frame(mfn).type_info) << fmt::format("{:#x}", mfn.n);
  }
  const mfn_t l1 = *boot_->answers[0].frame(0);
  EXPECT_EQ(table[l1.n].type_info, xen::PGT_l1_page_table | xen::PGT_pinned | xen::PGT_validated | 1);
  std::vector<u64> words(entries_per_table);
  gdb.use(gdb_addresses::physical_ones);
  ASSERT_TRUE(gdb.read(mfn_to_maddr(l1).bytes, {reinterpret_cast<u8*>(words.data()), PAGE_SIZE}));
  gdb.use(gdb_addresses::virtual_ones);
  EXPECT_TRUE(std::ranges::equal(words, lab_view.words(l1)));
  EXPECT_EQ(pte_mfn(words[2]), *boot_->answers[0].frame(1));
}

// Who waits at the stub learns when QEMU's monitor stops the machine.
TEST_F(breakpoints, learn_of_the_monitors_stop) {
  gdb_client& gdb = boot_->machine->gdb();
  gdb.cont();
  EXPECT_FALSE(gdb.wait(deadline{std::chrono::milliseconds{10}})) << "nothing more is to be done";
  boot_->machine->monitor().stop();
  const auto stop = gdb.wait(deadline{seconds{20}});
  ASSERT_TRUE(stop);
  EXPECT_EQ(stop->signal, SIGINT);
  EXPECT_GE(gdb.registers()["rip"], boot_->symbols.address("_stext"));
}

}  // namespace
}  // namespace pvmmu::lab
