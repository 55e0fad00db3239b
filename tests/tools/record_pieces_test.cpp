// Events become pieces: what a recording says of calls that the plugin heard.

#include "tools/record_pieces.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/abi/grant_table.h"
#include "proto/abi/hypercall.h"
#include "proto/abi/memory_op.h"
#include "tests/lab/heard_stream.h"
#include "tools/lab/lab_error.h"
#include "tools/recording_codec.h"

namespace pvmmu::tools {
namespace {

namespace guest = lab::guest;
using lab::bytes_of;
using lab::heard::handler;
using testing::ElementsAre;
using testing::Pair;

constexpr u64 list_va = 0xffff888000001000;
constexpr u64 other_va = 0xffff888000002000;
constexpr u64 HYPERVISOR_stack_switch = 3;

class record_pieces : public testing::Test {
 protected:
  std::vector<recording::piece> pieces() {
    std::vector<recording::piece> all;
    for (lab::event_stream events{stream.bytes()}; auto event = events.next();) {
      maker.take(*event);
      while (auto piece = maker.next()) all.push_back(std::move(*piece));
    }
    return all;
  }

  void mmu_update(u64 ptr, u64 val) {
    stream.entry(handler::mmu_update, {list_va, 1, 0, DOMID_SELF}, {{list_va, bytes_of(guest::mmu_update{ptr, val})}});
  }
  void multicall(const std::vector<u64>& ops) {
    std::vector<u8> list;
    for (const u64 op : ops) {
      const auto entry = bytes_of(guest::multicall_entry{.op = op, .result = 0, .args = {}});
      list.insert(list.end(), entry.begin(), entry.end());
    }
    stream.entry(handler::multicall, {other_va, ops.size()}, {{other_va, list}});
  }

  lab::heard_stream stream;
  piece_maker maker;
};

std::vector<s64> results_of(const recording::piece& piece) {
  std::vector<s64> results;
  for (const auto& entry : piece.outcome().entries()) results.push_back(entry.result());
  return results;
}

// A call has its list, its counts and its result, who made it and when.
TEST_F(record_pieces, a_call) {
  stream.on(1);
  mmu_update(0x1238, 0x5067);
  stream.exit(handler::mmu_update, -22);
  const auto all = pieces();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].vcpu(), 1u);
  EXPECT_EQ(all[0].entered(), 1u);
  EXPECT_EQ(all[0].left(), 2u);
  ASSERT_EQ(all[0].call().mmu_update().ureqs_size(), 1);
  EXPECT_EQ(all[0].call().mmu_update().ureqs(0).ptr(), 0x1238u);
  EXPECT_EQ(all[0].call().mmu_update().foreigndom(), DOMID_SELF);
  EXPECT_EQ(all[0].outcome().result(), -22);
}

// A multicall has its entries, those as well that are not listened to, each in its place with its result; a table that
// is validated in one was seen before that one.
TEST_F(record_pieces, a_multicall) {
  multicall({HYPERVISOR_stack_switch, HYPERVISOR_mmu_update, HYPERVISOR_stack_switch});
  stream.on(0, 1);
  mmu_update(0x1238, 0x5067);
  stream.table(5, std::array<u64, 512>{0x63});
  stream.exit(handler::mmu_update, -14);
  stream.on(0).exit(handler::multicall, 0);
  const auto all = pieces();
  ASSERT_EQ(all.size(), 1u);
  const auto& list = all[0].call().multicall().call_list();
  ASSERT_EQ(list.size(), 3);
  EXPECT_EQ(list[0].unknown().op(), HYPERVISOR_stack_switch);
  EXPECT_TRUE(list[1].has_mmu_update());
  EXPECT_TRUE(list[2].has_unknown());
  EXPECT_THAT(results_of(all[0]), ElementsAre(0, -14, 0));
  ASSERT_EQ(all[0].contents_size(), 1);
  EXPECT_EQ(all[0].contents(0).before_entry(), 1u);
  EXPECT_EQ((*decode_table(all[0].contents(0).table()))[0], 0x63u);
}

// A multicall that is left has the entries that ran, with the one that was left: what is left is in the guest's
// registers.
TEST_F(record_pieces, a_multicall_that_is_left) {
  multicall({HYPERVISOR_stack_switch, HYPERVISOR_mmu_update, HYPERVISOR_stack_switch, HYPERVISOR_stack_switch});
  stream.on(0, 1);
  mmu_update(0x1238, 0x5067);
  stream.exit(handler::mmu_update, HYPERVISOR_mmu_update);
  stream.on(0).exit(handler::multicall, HYPERVISOR_multicall, {}, 3);
  const auto all = pieces();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_THAT(results_of(all[0]), ElementsAre(0, HYPERVISOR_mmu_update));
  EXPECT_EQ(all[0].call().multicall().nr_calls(), 4u);
}

// … and one that is left between two entries has those before.
TEST_F(record_pieces, a_multicall_that_is_left_between_entries) {
  multicall({HYPERVISOR_stack_switch, HYPERVISOR_stack_switch, HYPERVISOR_stack_switch});
  stream.exit(handler::multicall, HYPERVISOR_multicall, {}, 1);
  EXPECT_EQ(pieces().at(0).call().multicall().call_list_size(), 2);
}

// Calls of two vCPUs that overlap stand in the order of their entries, and their moments show that they did.
TEST_F(record_pieces, overlapping_calls) {
  stream.on(0);
  mmu_update(0x1000, 1);
  stream.on(1);
  mmu_update(0x2000, 2);
  stream.exit(handler::mmu_update, 0);
  EXPECT_TRUE(pieces().empty());  // the first is not finished
  maker = piece_maker{};
  stream.on(0).exit(handler::mmu_update, 0);
  const auto all = pieces();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].vcpu(), 0u);
  EXPECT_EQ(all[0].left(), 4u);
  EXPECT_EQ(all[1].entered(), 2u);
  EXPECT_EQ(all[1].left(), 3u);
}

// A call of which Xen did not come back is counted, and keeps nobody waiting.
TEST_F(record_pieces, a_call_that_never_returned) {
  mmu_update(0x1000, 1);
  mmu_update(0x2000, 2);
  stream.exit(handler::mmu_update, 0);
  const auto all = pieces();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].call().mmu_update().ureqs(0).ptr(), 0x2000u);
  EXPECT_EQ(maker.never_returned(), 1u);
}

// What touches neither tables nor frames is counted by name.
TEST_F(record_pieces, other_calls_are_counted) {
  stream.entry(handler::vcpu_op, {8, 0, 0});  // set_singleshot_timer
  stream.exit(handler::vcpu_op, 0);
  EXPECT_TRUE(pieces().empty());
  EXPECT_THAT(maker.not_recorded(), ElementsAre(Pair("vcpu_op", 1)));
}

// The ends of calls that had begun before the first event belong to nothing.
TEST_F(record_pieces, ends_of_earlier_calls) {
  stream.on(0, 1).exit(handler::mmu_update, 0);
  stream.on(0).exit(handler::multicall, 0);
  EXPECT_TRUE(pieces().empty());
  EXPECT_FALSE(maker.is_within_call());
}

// An emulated write has the entry's machine address, and a compare-and-exchange what it expects there.
TEST_F(record_pieces, emulated_writes) {
  const std::array<u64, 6> args{0x7f0000000018, other_va, 0x67, 8, 0, 0x80000000abcde063};
  stream.entry(handler::ptwr_emulated_update, args, {{other_va, bytes_of(u64{0x25})}});
  stream.exit(handler::ptwr_emulated_update, 0);
  const auto all = pieces();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].write().maddr(), 0xabcde018u);
  EXPECT_EQ(all[0].write().value(), 0x67u);
  EXPECT_EQ(all[0].write().expected(), 0x25u);
}

// A table that an entry validates twice has the contents that it had first.
TEST_F(record_pieces, a_table_seen_twice) {
  mmu_update(0x1000, 1);
  stream.table(5, std::array<u64, 512>{1});
  stream.table(5, std::array<u64, 512>{2});
  stream.exit(handler::mmu_update, 0);
  const auto all = pieces();
  ASSERT_EQ(all.at(0).contents_size(), 1);
  EXPECT_EQ((*decode_table(all[0].contents(0).table()))[0], 1u);
}

// memory_op has its structure and the list behind it, and what Xen wrote into the list.
TEST_F(record_pieces, memory_ops) {
  const guest::reservation r{.extent_start = list_va, .nr_extents = 2, .extent_order = 0, .mem_flags = 0, .domid = 7};
  stream.entry(handler::memory_op, {XENMEM_populate_physmap, other_va},
               {{other_va, bytes_of(r)}, {list_va, bytes_of(u64{10}, u64{11})}});
  stream.exit(handler::memory_op, 2, {{other_va, bytes_of(r)}, {list_va, bytes_of(u64{0x500}, u64{0x501})}});
  const auto all = pieces();
  const auto& asked = all.at(0).call().memory_op().reservation();
  EXPECT_THAT(asked.extents(), ElementsAre(10, 11));
  EXPECT_EQ(asked.domid(), 7u);
  EXPECT_THAT(all[0].outcome().memory_op().extents(), ElementsAre(0x500, 0x501));
}

// A grant that is mapped has what was asked and what came back.
TEST_F(record_pieces, grants) {
  guest::map_grant_ref map{
      .host_addr = 0x1000, .flags = 2, .ref = 9, .dom = 3, .status = 0, .handle = 0, .dev_bus_addr = 0};
  stream.entry(handler::grant_table_op, {GNTTABOP_map_grant_ref, list_va, 1}, {{list_va, bytes_of(map)}});
  map.status = -1;
  map.handle = 77;
  stream.exit(handler::grant_table_op, 0, {{list_va, bytes_of(map)}});
  const auto all = pieces();
  EXPECT_EQ(all.at(0).call().grant_table_op().map(0).ref(), 9u);
  EXPECT_EQ(all[0].outcome().grants(0).status(), -1);
  EXPECT_EQ(all[0].outcome().grants(0).handle(), 77u);
}

// The set of vCPUs that a flush names lies behind a pointer; where that cannot be read, there is none.
TEST_F(record_pieces, sets_of_vcpus) {
  const guest::mmuext_op readable{.cmd = MMUEXT_TLB_FLUSH_MULTI, .arg1 = 0, .arg2 = other_va};
  const guest::mmuext_op unreadable{.cmd = MMUEXT_INVLPG_MULTI, .arg1 = 0x1000, .arg2 = other_va + 0x1000};
  stream.entry(handler::mmuext_op, {list_va, 2, 0, DOMID_SELF},
               {{list_va, bytes_of(readable, unreadable)}, {other_va, bytes_of(u64{6})}});
  stream.exit(handler::mmuext_op, 0);
  const auto all = pieces();
  EXPECT_EQ(all.at(0).call().mmuext_op().uops(0).vcpumask(), 6u);
  EXPECT_FALSE(all[0].call().mmuext_op().uops(1).has_vcpumask());
}

// Events that no Xen causes are refused: an entry that is not in the multicall's list.
TEST_F(record_pieces, impossible_events_are_refused) {
  multicall({HYPERVISOR_stack_switch});
  stream.on(0, 1);
  mmu_update(0x1000, 1);
  EXPECT_THROW(pieces(), lab::lab_error);
}

}  // namespace
}  // namespace pvmmu::tools
