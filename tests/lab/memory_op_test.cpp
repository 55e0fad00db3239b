// What the real Xen answers to memory_op. The same cases are asserted of the model in
// tests/hypervisor-model/memory_op_test.cpp.

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <string>

#include "proto/abi/errno.h"
#include "tools/lab/lab.h"

namespace pvmmu::lab {
namespace {

constexpr u64 allocated = xen::PGC_allocated;
constexpr s64 EPERM_ = -1, ESRCH_ = -3, EFAULT_ = -14, EINVAL_ = -22, ENOSYS_ = -38;

mmuext_op one_op(u32 cmd, u32 frame) { return {.uops = {{.cmd = cmd, .arg1 = mfn_of_frame(frame)}}, .count = 1}; }

/// Of all frames in the list, or of `nr` of them.
memory_op reservation(u64 cmd, std::vector<word> words, std::optional<u64> nr = {}, u32 order = 0) {
  const u64 size = words.size();
  return {
      .cmd = cmd,
      .arg = memory_reservation{.extents = {std::move(words)}, .nr_extents = nr.value_or(size), .extent_order = order}};
}
memory_op decrease(u32 frame) { return reservation(XENMEM_decrease_reservation, {mfn_of_frame(frame)}); }
memory_op adopting(memory_op op, u32 first) {
  op.adopt_first = first;
  return op;
}
memory_op exchange(std::vector<word> in, std::vector<word> out, u32 in_order = 0, u32 out_order = 0) {
  const u64 nr_in = in.size(), nr_out = out.size();
  return {
      .cmd = XENMEM_exchange,
      .arg = memory_exchange{.in = {.extents = {std::move(in)}, .nr_extents = nr_in, .extent_order = in_order},
                             .out = {.extents = {std::move(out)}, .nr_extents = nr_out, .extent_order = out_order}}};
}

using program_map = std::map<std::string, program>;

program no_list_program() {
  const extent_words null{.at = plain(0)}, xens{.at = plain(0xffff830000000000)},
      unmapped{.at = word{.kind = word_kind::unmapped}};
  program p;
  for (const u64 cmd : {XENMEM_increase_reservation, XENMEM_populate_physmap, XENMEM_decrease_reservation})
    for (const extent_words& list : {null, xens, unmapped})
      p.calls.push_back(memory_op{.cmd = cmd, .arg = memory_reservation{.extents = list, .nr_extents = 2}});
  p.calls.push_back(memory_op{.cmd = XENMEM_populate_physmap});
  p.calls.push_back(memory_op{.cmd = XENMEM_populate_physmap | 5 << 6});
  return p;
}

program domains_program() {
  program p{.nr_frames = 1, .nr_foreign = 2};
  for (const domid_t domid : {domid_t{0}, domid_t{77}, DOMID_IO, DOMID_XEN, probe::foreign_domid}) {
    memory_op op = reservation(XENMEM_decrease_reservation, {mfn_of_frame(domid == 1 ? u32{probe::name_foreign} : 0)});
    std::get<memory_reservation>(op.arg).domid = domid;
    p.calls.push_back(op);
  }
  memory_op on_demand = reservation(XENMEM_populate_physmap, {plain(0), plain(1)}, 2, 12);
  auto& r = std::get<memory_reservation>(on_demand.arg);
  r.mem_flags = XENMEMF_populate_on_demand;
  p.calls.push_back(on_demand);  // nothing: one's own
  r.domid = probe::foreign_domid;
  p.calls.push_back(on_demand);  // nothing, and done
  return p;
}

/// The list of new frames is too short: for the second of two extents; and for one that lies nowhere.
program untold_program() {
  program p{.nr_frames = 3};
  memory_op two = exchange({mfn_of_frame(0), mfn_of_frame(1)}, {plain(7), plain(8)});
  std::get<memory_exchange>(two.arg).out.extents.words.pop_back();
  p.calls.push_back(two);
  memory_op none = exchange({mfn_of_frame(2), mfn_of_frame(2)}, {plain(7), plain(8)});
  std::get<memory_exchange>(none.arg).in.extents.words.pop_back();
  p.calls.push_back(none);
  return p;
}

program refused_program() {
  program p{.nr_frames = 1};
  const auto changed = [&p](auto change) {
    memory_op op = exchange({mfn_of_frame(0)}, {plain(7)});
    change(std::get<memory_exchange>(op.arg));
    p.calls.push_back(op);
  };
  changed([](memory_exchange& e) { e.in.extent_order = e.out.extent_order = 19; });
  changed([](memory_exchange& e) { e.out.nr_extents = 2; });
  changed([](memory_exchange& e) { e.nr_exchanged = 2; });
  changed([](memory_exchange& e) { e.nr_exchanged = 1; });
  changed([](memory_exchange& e) { e.in.domid = probe::foreign_domid; });
  changed([](memory_exchange& e) { e.in.domid = e.out.domid = probe::foreign_domid; });
  changed([](memory_exchange& e) { e.in.domid = e.out.domid = 77; });
  changed([](memory_exchange& e) { e.out.extents = {.at = plain(0xffff830000000000)}; });
  changed([](memory_exchange& e) {  // XSA-212: the list is the guest's, the entry is Xen's
    e.in.nr_extents = e.out.nr_extents = u64{1} << 60;
    e.nr_exchanged = (0xffff840000000000 - 0xffffffff80000000) / 8 & ((u64{1} << 60) - 1);
    e.in.domid = e.out.domid = 77;
  });
  changed([](memory_exchange& e) { e.out.mem_flags = 66 << 8; });  // node 65
  p.calls.push_back(memory_op{.cmd = XENMEM_exchange});
  p.calls.push_back(memory_op{.cmd = XENMEM_exchange | 1 << 6});
  return p;
}

program machphys_program() {
  program p;
  const machphys_mfn_list list{.max_extents = 4, .extents = {.words = {plain(1), plain(2), plain(3)}}};
  p.calls.push_back(memory_op{.cmd = XENMEM_machphys_mfn_list, .arg = list});
  p.calls.push_back(memory_op{.cmd = XENMEM_machphys_mfn_list | 1 << 6, .arg = list});
  p.calls.push_back(memory_op{.cmd = XENMEM_machphys_mfn_list, .arg = machphys_mfn_list{.max_extents = 4}});
  p.calls.push_back(memory_op{.cmd = XENMEM_machphys_mfn_list, .arg = machphys_mfn_list{}});
  p.calls.push_back(memory_op{.cmd = XENMEM_machphys_mfn_list});
  p.calls.push_back(memory_op{.cmd = 60});
  return p;
}

/// mem_flags: too few address bits, enough, a node that is not there, must be or may be.
program bits_program() {
  program p;
  for (const u32 flags :
       {12u, 13u, 28u, 200u, 3u << 8, 3u << 8 | XENMEMF_exact_node_request, 1u << 8 | XENMEMF_exact_node_request,
        66u << 8, u32{XENMEMF_exact_node_request}, 3u << 8 | XENMEMF_vnode | XENMEMF_exact_node_request}) {
    memory_op op = reservation(XENMEM_increase_reservation, {plain(0)});
    std::get<memory_reservation>(op.arg).mem_flags = flags;
    p.calls.push_back(op);
  }
  return p;
}

const program_map& programs() {
  static const program_map all = [] {
    program_map m;
    m["fresh"] = {.nr_frames = 1, .calls = {decrease(0), decrease(0)}};
    m["pinned"] = {.nr_frames = 1, .calls = {one_op(MMUEXT_PIN_L1_TABLE, 0), decrease(0), decrease(0)}};
    m["unpinned"] = {.nr_frames = 1,
                     .calls = {one_op(MMUEXT_PIN_L1_TABLE, 0), decrease(0), one_op(MMUEXT_UNPIN_TABLE, 0)}};
    m["mapped"] = {.nr_frames = 2,
                   .contents = {{.frame = 0, .slot = 5, .value = pte_to(1, PAGE_PRESENT | PAGE_RW)}},
                   .calls = {one_op(MMUEXT_PIN_L1_TABLE, 0), decrease(1)}};
    m["bad in the middle"] = {
        .nr_frames = 2,
        .calls = {reservation(XENMEM_decrease_reservation, {mfn_of_frame(0), plain(1), mfn_of_frame(1)}),
                  reservation(XENMEM_decrease_reservation, {plain(u64{1} << 40)}),
                  reservation(XENMEM_decrease_reservation, {mfn_of_frame(probe::name_m2p)})}};
    m["populate"] = {.nr_adopted = 2,
                     .calls = {adopting(reservation(XENMEM_populate_physmap, {plain(100), plain(101)}, 3), 0)}};
    m["populate from the second"] = {
        .calls = {reservation(XENMEM_populate_physmap | 1 << 6, {plain(100), plain(101)}),
                  reservation(XENMEM_populate_physmap | 2 << 6, {plain(100), plain(101)})}};
    m["a run"] = {.nr_adopted = 1,
                  .calls = {adopting(reservation(XENMEM_increase_reservation, {plain(0)}, 1, 2), 0),
                            reservation(XENMEM_decrease_reservation, {mfn_of_frame(0)}, 1, 1)}};
    m["no list"] = no_list_program();
    m["orders"] = {.calls = {reservation(XENMEM_populate_physmap, {plain(0)}, 1, 19),
                             reservation(XENMEM_increase_reservation, {plain(0)}, 1, 18),
                             reservation(XENMEM_decrease_reservation, {plain(0)}, u64{1} << 26)}};
    m["domains"] = domains_program();
    m["exchange"] = {.nr_frames = 1, .nr_adopted = 1, .calls = {adopting(exchange({mfn_of_frame(0)}, {plain(7)}), 1)}};
    m["exchange halfway"] = {
        .nr_frames = 3,
        .calls = {one_op(MMUEXT_PIN_L1_TABLE, 1),
                  exchange({mfn_of_frame(0), mfn_of_frame(1), mfn_of_frame(2)}, {plain(7), plain(8), plain(9)})}};
    m["exchange a chunk"] = {
        .nr_frames = 2,
        .calls = {one_op(MMUEXT_PIN_L1_TABLE, 1), exchange({mfn_of_frame(0), mfn_of_frame(1)}, {plain(7)}, 0, 1)}};
    m["exchange for a run"] = {.nr_frames = 2,
                               .nr_adopted = 1,
                               .calls = {adopting(exchange({mfn_of_frame(0), mfn_of_frame(1)}, {plain(7)}, 0, 1), 2)}};
    m["exchange untold"] = untold_program();
    m["exchange refused"] = refused_program();
    m["machphys"] = machphys_program();
    m["in a multicall"] = {.nr_frames = 1, .calls = {multicall{.entries = {decrease(0), decrease(0)}, .nr_calls = 2}}};
    m["with bits"] = bits_program();
    m["~ shared"] = {.calls = {reservation(XENMEM_decrease_reservation, {mfn_of_frame(probe::name_shared_info)}),
                               reservation(XENMEM_decrease_reservation, {mfn_of_frame(probe::name_shared_info)})}};
    return m;
  }();
  return all;
}

/// Boots once: the programs of all tests run in one go.
class real_memory_op : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (std::getenv("PVMMU_SKIP_LAB")) return;
    std::vector<program> list;
    for (const auto& [name, p] : programs()) list.push_back(p);
    session_ = std::make_unique<session>(lab{{.probe = PVMMU_PROBE}}.run(list));
  }
  static void TearDownTestSuite() { session_.reset(); }
  void SetUp() override {
    if (!session_) GTEST_SKIP() << "PVMMU_SKIP_LAB is set";
  }

  static const program_answer& answer_of(const std::string& name) {
    return session_->answers[static_cast<std::size_t>(std::distance(programs().begin(), programs().find(name)))];
  }
  static std::vector<s64> results(const std::string& name) {
    std::vector<s64> all;
    for (const answer& a : answer_of(name).calls) all.push_back(a.result);
    return all;
  }
  static xen::page_info frame_of(const std::string& name, u32 frame) {
    return session_->memory->frame(answer_of(name).frame(frame).value());
  }
  static inline std::unique_ptr<session> session_;
};

using list = std::vector<s64>;

// A frame that nothing else refers to is gone with the first decrease, and is nobody's for the second; in a multicall
// as well.
TEST_F(real_memory_op, decrease_frees) {
  EXPECT_EQ(results("fresh"), (list{1, 0}));
  const answer& a = answer_of("in a multicall").calls[0];
  EXPECT_EQ(a.entries[0].result, 1);
  EXPECT_EQ(a.entries[1].result, 0);
}

// XSA-252: a decrease leaves the pin alone. It takes the allocation once; without it the frame can be decreased again.
TEST_F(real_memory_op, decrease_leaves_pins_and_mappings) {
  EXPECT_EQ(results("pinned"), (list{0, 1, 1}));
  EXPECT_EQ(frame_of("pinned", 0).count_info, 1u);
  EXPECT_EQ(frame_of("pinned", 0).type_info, xen::PGT_l1_page_table | xen::PGT_pinned | xen::PGT_validated | 1);
  EXPECT_EQ(results("unpinned"), (list{0, 1, 0}));
  EXPECT_EQ(results("mapped"), (list{0, 1}));
  EXPECT_EQ(frame_of("mapped", 1).count_info, 1u);
  EXPECT_EQ(frame_of("mapped", 1).type_info, xen::PGT_writable_page | xen::PGT_validated | 1);
}

// A list is done up to its first bad frame.
TEST_F(real_memory_op, decrease_stops_at_a_bad_frame) {
  EXPECT_EQ(results("bad in the middle"), (list{1, 0, 0}));
  EXPECT_EQ(frame_of("bad in the middle", 1).count_info, allocated | 1);
}

// One's own number is a domain as good as DOMID_SELF; numbers that no domain has do nothing, nor does populating on
// demand, which counts as done for another domain.
TEST_F(real_memory_op, domains) { EXPECT_EQ(results("domains"), (list{1, 0, 0, 0, 1, 0, 2})); }

// New frames have no type, and what an earlier piece has done is left alone.
TEST_F(real_memory_op, populate) {
  const program_answer& a = answer_of("populate");
  EXPECT_EQ(results("populate"), list{2});
  EXPECT_EQ(a.calls[0].memory.extents, (std::vector<u64>{a.frame(0)->n, a.frame(1)->n}));
  EXPECT_EQ(frame_of("populate", 0).count_info, allocated | 1);
  EXPECT_EQ(frame_of("populate", 0).type_info, 0u);
  EXPECT_EQ(results("populate from the second"), (list{2, 2}));
  EXPECT_EQ(answer_of("populate from the second").calls[0].memory.extents[0], 100u);
  EXPECT_NE(answer_of("populate from the second").calls[0].memory.extents[1], 101u);
}

// A run of frames comes in one extent, and goes in parts.
TEST_F(real_memory_op, runs_of_frames) {
  EXPECT_EQ(results("a run"), (list{1, 1}));
  EXPECT_EQ(answer_of("a run").frame(0)->n % 4, 0u);
  EXPECT_EQ(results("orders"), (list{0, 0, 0}));
}

// increase does without a list; the others do not. Lists in Xen's range, or in nothing, get nothing.
TEST_F(real_memory_op, lists_that_are_none) { EXPECT_EQ(results("no list"), (list{2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5})); }

// Address bits up to 12 are refused; a node that is not there matters if it must be, one beyond all nodes always.
TEST_F(real_memory_op, mem_flags) { EXPECT_EQ(results("with bits"), (list{0, 0, 1, 1, 1, 0, 1, 0, 1, 1})); }

// What is exchanged is gone, and what comes has no type.
TEST_F(real_memory_op, exchange_gives_new_frames) {
  EXPECT_EQ(results("exchange"), list{0});
  EXPECT_EQ(answer_of("exchange").calls[0].memory.number, 1u);
  EXPECT_EQ(frame_of("exchange", 1).count_info, allocated | 1);
  EXPECT_EQ(frame_of("exchange", 1).type_info, 0u);
  EXPECT_EQ(results("exchange for a run"), list{0});
  EXPECT_EQ(answer_of("exchange for a run").calls[0].memory.number, 2u);
  EXPECT_EQ(answer_of("exchange for a run").frame(2)->n % 2, 0u);
}

// A frame that something refers to ends it; of a chunk, what was taken already comes back without its type.
TEST_F(real_memory_op, exchange_needs_frames_without_references) {
  EXPECT_EQ(results("exchange halfway"), (list{0, EINVAL_}));
  EXPECT_EQ(answer_of("exchange halfway").calls[1].memory.number, 1u);
  EXPECT_EQ(answer_of("exchange halfway").calls[1].memory.extents[1], 8u);
  EXPECT_EQ(frame_of("exchange halfway", 2).type_info, xen::PGT_writable_page | xen::PGT_validated);
  EXPECT_EQ(results("exchange a chunk"), (list{0, EINVAL_}));
  EXPECT_EQ(answer_of("exchange a chunk").calls[1].memory.number, 0u);
  EXPECT_EQ(frame_of("exchange a chunk", 0).count_info, allocated | 1);
  EXPECT_EQ(frame_of("exchange a chunk", 0).type_info, 0u);
}

// A chunk that cannot be told is exchanged and does not count; a list of old frames that ends too early ends it there.
TEST_F(real_memory_op, exchange_that_cannot_be_told) {
  EXPECT_EQ(results("exchange untold"), (list{EFAULT_, EFAULT_}));
  EXPECT_EQ(answer_of("exchange untold").calls[0].memory.number, 1u);
  EXPECT_EQ(answer_of("exchange untold").calls[1].memory.number, 1u);
}

// In the order of the program: order, sizes, nr_exchanged too big, nothing left, domains that differ, another domain's
// frames, no domain, a list in Xen's range, XSA-212, a node, no structure, a start extent.
TEST_F(real_memory_op, exchange_refusals) {
  EXPECT_EQ(results("exchange refused"),
            (list{EPERM_, EINVAL_, EINVAL_, 0, EINVAL_, EINVAL_, ESRCH_, EFAULT_, EFAULT_, EINVAL_, EFAULT_, EINVAL_}));
  EXPECT_EQ(frame_of("exchange refused", 0).type_info, xen::PGT_writable_page | xen::PGT_validated);
}

// One extent of the machine-to-phys table for a GiB of memory.
TEST_F(real_memory_op, machphys_mfn_list) {
  EXPECT_EQ(results("machphys"), (list{0, ENOSYS_, EFAULT_, 0, EFAULT_, ENOSYS_}));
  EXPECT_EQ(answer_of("machphys").calls[0].memory.number, 1u);
  EXPECT_EQ(answer_of("machphys").calls[0].memory.extents, (std::vector<u64>{answer_of("machphys").m2p.n, 2, 3}));
}

// A page of Xen's own loses its allocation too; it stays Xen's and typed, but nobody can refer to it any more.
TEST_F(real_memory_op, decrease_of_shared_info) {
  EXPECT_EQ(results("~ shared"), (list{1, 0}));
  EXPECT_EQ(frame_of("~ shared", probe::name_shared_info).count_info, xen::PGC_xen_heap);
  EXPECT_EQ(frame_of("~ shared", probe::name_shared_info).type_info, xen::PGT_writable_page | xen::PGT_validated | 1);
}

}  // namespace
}  // namespace pvmmu::lab
