#include "guest-pv/xen/multicalls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/guest-pv/recorded_call.h"

namespace pvmmu::guest {
namespace {

using ::testing::ElementsAre;

/// A hypervisor that says yes to everything, or what it was told to say to the next entries.
class agreeable_xen final : public hypercalls {
 public:
  std::expected<long, domain_crashed> call(vcpu_id_t, hypercall& call, std::string_view caller) override {
    calls.push_back(record(call, caller));
    auto* batch = std::get_if<multicall_call>(&call);
    if (!batch) return next_result();
    for (multicall_entry& e : batch->call_list) {
      e.result = next_result();
      e.overwritten = debug_build;
    }
    return 0;
  }
  std::expected<access_result, domain_crashed> access(vcpu_id_t, const access_request&, std::string_view) override {
    return access_result{};
  }

  std::vector<std::size_t> updates_of_each_call() const {
    std::vector<std::size_t> sizes;
    sizes.reserve(calls.size());
    for (const recorded_call& c : calls) sizes.push_back(c.updates.size());
    return sizes;
  }

  std::vector<recorded_call> calls;
  std::vector<long> results;  ///< of the next entries, last first
  bool debug_build = false;

 private:
  long next_result() {
    if (results.empty()) return 0;
    const long result = results.back();
    results.pop_back();
    return result;
  }
};

class multicalls_test : public ::testing::Test {
 protected:
  static constexpr std::array<p2m_run, 1> run{p2m_run{{0}, {0}, 1024}};

  void queue_updates(u64 count) {
    for (u64 i = 0; i < count; ++i) {
      mc.extend_mmu_update({i * 8, 0}, "xen_set_pte");
      mc.issue(lazy_mode::mmu);
    }
  }

  agreeable_xen xen;
  processor cpu{xen};
  page_allocator pages;
  class p2m p2m{run, 1024};
  page_tables tables{cpu, pages, p2m};
  xen_hypercall calls{cpu, tables};
  multicalls mc{calls, 2};
};

// 512 bytes of arguments hold 31 mmu_updates of 16 bytes, as 512 must not be reached: 512 lazily set PTEs are 17
// hypercalls (linux 6.1 multicalls.c __xen_mc_entry; seen so in recordings of mprotect and mremap).
TEST_F(multicalls_test, lazily_set_ptes_come_31_a_call) {
  mc.lazy().mode = lazy_mode::mmu;
  queue_updates(512);
  mc.flush();
  std::vector<std::size_t> expected(16, 31);
  expected.push_back(16);
  EXPECT_EQ(xen.updates_of_each_call(), expected);
}

// Outside of lazy mode each update is a call of its own.
TEST_F(multicalls_test, without_lazy_mode_every_issue_flushes) {
  queue_updates(3);
  EXPECT_EQ(xen.updates_of_each_call(), std::vector<std::size_t>(3, 1));
}

// 21 mmuext ops of 24 bytes fit one entry.
TEST_F(multicalls_test, mmuext_ops_come_21_an_entry) {
  for (u64 i = 0; i < 22; ++i) mc.extend_mmuext_op({.cmd = MMUEXT_UNPIN_TABLE, .arg1 = i + 1}, "x");
  mc.flush();
  ASSERT_EQ(xen.calls.size(), 2u);
  EXPECT_EQ(xen.calls[0].ops.size(), 21u);
  EXPECT_EQ(xen.calls[1].ops.size(), 1u);
}

// A buffer holds 32 entries; the 33rd flushes it first.
TEST_F(multicalls_test, a_batch_has_32_entries) {
  for (u64 i = 0; i < 33; ++i) mc.update_va_mapping(i << PAGE_SHIFT, 0, 0, "x");
  mc.flush();
  ASSERT_EQ(xen.calls.size(), 2u);
  EXPECT_EQ(xen.calls[0].entries.size(), 32u);
  EXPECT_EQ(xen.calls[1].number, u64{HYPERVISOR_update_va_mapping}) << "a lone entry is made without a multicall";
}

// Only the last entry can be extended, and only by the same kind of call.
TEST_F(multicalls_test, another_kind_of_call_between_starts_a_new_entry) {
  mc.extend_mmu_update({8, 0}, "x");
  mc.extend_mmu_update({16, 0}, "x");
  mc.update_va_mapping(0, 0, 0, "x");
  mc.extend_mmu_update({24, 0}, "x");
  mc.flush();
  ASSERT_EQ(xen.calls.size(), 1u);
  ASSERT_EQ(xen.calls[0].entries.size(), 3u);
  EXPECT_EQ(xen.calls[0].entries[0].updates.size(), 2u);
  EXPECT_EQ(xen.calls[0].entries[2].updates.size(), 1u);
}

// An issue for one lazy mode flushes everything while the CPU is in the other one.
TEST_F(multicalls_test, an_issue_for_the_other_lazy_mode_flushes) {
  mc.lazy().mode = lazy_mode::cpu;
  mc.extend_mmuext_op({.cmd = MMUEXT_NEW_BASEPTR, .arg1 = 1}, "xen_write_cr3");
  mc.issue(lazy_mode::cpu);
  EXPECT_EQ(xen.calls.size(), 0u);
  queue_updates(1);
  EXPECT_EQ(xen.calls.size(), 1u);
}

// In an interrupt the lazy mode reads as none: the interrupt's issue flushes what the interrupted code has queued.
TEST_F(multicalls_test, an_interrupt_flushes_the_interrupted_queue) {
  mc.lazy().mode = lazy_mode::mmu;
  queue_updates(2);
  EXPECT_EQ(xen.calls.size(), 0u);
  cpu.on(0, [&] { queue_updates(1); });
  EXPECT_EQ(xen.updates_of_each_call(), std::vector<std::size_t>{3});
}

// Each CPU has its own buffer.
TEST_F(multicalls_test, cpus_do_not_share_a_queue) {
  mc.lazy().mode = lazy_mode::mmu;
  queue_updates(2);
  cpu.run_as(1);
  mc.flush();
  EXPECT_EQ(xen.calls.size(), 0u);
}

/// Keeps the events that a test asks for.
struct kept_events final : trace_listener {
  void on_trace(vcpu_id_t, const trace::event& e) override { all.push_back(e); }
  std::vector<trace::event> all;
};

// The 32nd update does not fit: what was queued goes first, then the new entry is made. The order is that of a real
// trace (tests/fidelity/traces/6.1/mprotect).
TEST_F(multicalls_test, a_full_buffer_tells_of_it_before_it_is_flushed) {
  using namespace trace;
  mc.lazy().mode = lazy_mode::mmu;
  queue_updates(31);
  kept_events kept;
  cpu.trace_to(&kept);
  mc.batch();
  queue_updates(1);
  ASSERT_EQ(kept.all.size(), 7u);
  EXPECT_EQ(std::get<xen_mc_batch>(kept.all[0]).mode, lazy_mode::mmu);
  EXPECT_EQ(std::get<xen_mc_extend_args>(kept.all[1]).res, extend_result::no_space);
  EXPECT_EQ(std::get<xen_mc_entry_alloc>(kept.all[2]).args, 16u);
  EXPECT_EQ(std::get<xen_mc_flush_reason>(kept.all[3]).reason, flush_reason::args);
  EXPECT_EQ(std::get<xen_mc_flush>(kept.all[4]).argidx, 496u);
  EXPECT_EQ(std::get<xen_mc_entry>(kept.all[5]).op, HYPERVISOR_mmu_update);
  EXPECT_EQ(std::get<xen_mc_issue>(kept.all[6]).mode, lazy_mode::mmu);
}

// In an interrupt a batch begins in no lazy mode, whatever was interrupted; what is left with nothing queued is
// flushed, and told, all the same.
TEST_F(multicalls_test, empty_flushes_are_told) {
  mc.lazy().mode = lazy_mode::mmu;
  kept_events kept;
  cpu.trace_to(&kept);
  cpu.on(0, [&] { mc.batch(); });
  mc.flush();
  ASSERT_EQ(kept.all.size(), 2u);
  EXPECT_EQ(std::get<trace::xen_mc_batch>(kept.all[0]).mode, lazy_mode::none);
  EXPECT_EQ(std::get<trace::xen_mc_flush>(kept.all[1]).mcidx, 0u);
  EXPECT_EQ(xen.calls.size(), 0u);
}

// Callbacks run once, after the flush; the 33rd of a batch flushes the first 32.
TEST_F(multicalls_test, callbacks_run_after_the_flush) {
  int ran = 0;
  mc.extend_mmu_update({8, 0}, "x");
  for (int i = 0; i < 33; ++i) mc.callback({}, [&] { ++ran; });
  EXPECT_EQ(ran, 32);
  EXPECT_EQ(xen.calls.size(), 1u);
  mc.flush();
  mc.flush();
  EXPECT_EQ(ran, 33);
}

// A refused entry is a warning in Linux's words, no more (linux 6.1 multicalls.c xen_mc_flush).
TEST_F(multicalls_test, a_refused_entry_is_reported_as_linux_does) {
  xen.results = {-22, 0};
  mc.update_va_mapping(0xffff888000123000, 0, 0, "x");
  mc.new_mmuext_op({.cmd = MMUEXT_PIN_L1_TABLE, .arg1 = 5}, "x");
  mc.flush();
  EXPECT_THAT(cpu.log(),
              ElementsAre("WARNING: CPU: 0 at arch/x86/xen/multicalls.c xen_mc_flush",
                          "1 of 2 multicall(s) failed: cpu 0", "  call  2: op=26 arg=[ffff888000001000] result=-22"));
}

// A debug Xen has overwritten the entries by then, and Linux prints what it finds.
TEST_F(multicalls_test, overwritten_entries_are_printed_as_they_read) {
  xen.debug_build = true;
  xen.results = {-22, -22};
  mc.update_va_mapping(0, 0, 0, "x");
  mc.update_va_mapping(0, 0, 0, "x");
  mc.flush();
  EXPECT_THAT(cpu.log(), ::testing::Contains("  call  1: op=12297829382473034410 arg=[aaaaaaaaaaaaaaaa] result=-22"));
}

}  // namespace
}  // namespace pvmmu::guest
