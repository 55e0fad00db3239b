// The real Xen answers, and its frames can be read. What is asserted was said by it, and stands in its source as well.

#include "tools/lab/lab.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "proto/abi/errno.h"

namespace pvmmu::lab {
namespace {

constexpr u64 allocated = xen::PGC_allocated;

mmuext_op one_op(u32 cmd, u32 frame) { return {.uops = {{.cmd = cmd, .arg1 = mfn_of_frame(frame)}}, .count = 1}; }

/// Boots once for all tests: the programs of all run in one go.
class real_xen : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (std::getenv("PVMMU_SKIP_LAB")) return;
    const lab real{{.probe = PVMMU_PROBE}};
    session_ = std::make_unique<session>(real.run(programs()));
    at_entry_ = std::make_unique<session>(real.run({}));
  }
  static void TearDownTestSuite() {
    session_.reset();
    at_entry_.reset();
  }
  void SetUp() override {
    if (!session_) GTEST_SKIP() << "PVMMU_SKIP_LAB is set";
  }

  enum program_name {
    empty_l1,
    rw_table,
    pin_twice,
    stores,
    a_batch,
    untouched,
    new_cr3,
    grants,
    foreign,
    an_event,
    crash,
    after_crash
  };
  static std::vector<program> programs();

  static const program_answer& answer_of(program_name name) { return session_->answers.at(name); }
  static xen::page_info frame_of(program_name name, u32 frame) {
    return session_->memory->frame(answer_of(name).frame(frame).value());
  }

  static inline std::unique_ptr<session> session_;
  static inline std::unique_ptr<session> at_entry_;
};

program store_program() {
  program p{.nr_frames = 2};
  p.contents.push_back({.frame = 0, .slot = 5, .value = pte_to(1, PAGE_PRESENT)});
  p.calls.push_back(one_op(MMUEXT_PIN_L1_TABLE, 0));
  p.calls.push_back(update_va_mapping{.va = window_va(0), .val = pte_to(0, PAGE_PRESENT), .flags = UVMF_INVLPG});
  using enum probe::access_op;
  p.calls.push_back(memory_access{.op = xchg, .va = window_va(0, 40), .value = plain(0)});
  p.calls.push_back(memory_access{.op = write, .va = window_va(0, 48), .value = pte_to(0, PAGE_PRESENT | PAGE_RW)});
  p.calls.push_back(memory_access{.op = write, .va = window_va(1)});
  p.calls.push_back(memory_access{.op = cmpxchg, .va = window_va(1)});
  return p;
}

program batch_program() {
  program p{.nr_frames = 3};
  const mmu_update two{.ureqs = {{entry_of(0, 1), pte_to(1, PAGE_PRESENT | PAGE_RW)},
                                 {entry_of(0, 2), pte_to(0, PAGE_PRESENT | PAGE_RW)}},
                       .count = 2,
                       .pdone = {.where = done_arg::state::writable, .value = 77}};
  mmu_update beyond = two;
  beyond.ureqs.pop_back();
  p.calls.push_back(multicall{.entries = {one_op(MMUEXT_PIN_L1_TABLE, 0), two, beyond}, .nr_calls = 3});
  return p;
}

program new_cr3_program() {
  program p{.nr_frames = 1};
  for (u16 slot : {u16{probe::window_l4_slot}, u16{511}})
    p.contents.push_back({.frame = 0, .slot = slot, .value = probe_l4_entry(slot)});
  p.calls.push_back(one_op(MMUEXT_NEW_BASEPTR, 0));
  return p;
}

program grant_program() {
  program p{.nr_frames = 1, .nr_grants = 2};
  p.contents.push_back({.frame = probe::name_grant_table, .slot = 1, .value = grant_of(0, GTF_permit_access, 0)});
  p.calls.push_back(
      map_grant_ref{.uop = {{.host_addr = window_va(1), .flags = GNTMAP_host_map, .ref = ref_of_grant(1)},
                            {.host_addr = window_va(2), .flags = GNTMAP_host_map, .ref = ref_of_grant(0)}},
                    .count = 2});
  p.calls.push_back(unmap_grant_ref{.uop = {{.host_addr = window_va(1), .handle = handle_of(0)}}, .count = 1});
  return p;
}

program foreign_program() {
  program p{.nr_frames = 1, .nr_foreign = 2};
  p.contents.push_back(
      {.frame = probe::name_foreign, .slot = 0, .value = pte_to(probe::name_foreign + 1, PAGE_PRESENT)});
  mmuext_op pin = one_op(MMUEXT_PIN_L1_TABLE, probe::name_foreign);
  p.calls.push_back(pin);
  pin.foreigndom = probe::foreign_domid;
  p.calls.push_back(pin);
  return p;
}

program event_program() {
  program p;
  const word writable_shared_info = pte_to(probe::name_shared_info, PAGE_PRESENT | PAGE_RW);
  p.calls.push_back(update_va_mapping{.va = window_va(0), .val = writable_shared_info, .flags = UVMF_INVLPG});
  // evtchn_upcall_pending = 1, evtchn_upcall_mask = 0
  p.calls.push_back(memory_access{.op = probe::access_op::write, .bytes = 2, .va = window_va(0), .value = plain(1)});
  p.calls.push_back(vm_assist{.cmd = VMASST_CMD_enable, .type = VMASST_TYPE_writable_pagetables});
  return p;
}

program crash_program() {
  program p{.nr_frames = 1};
  p.calls.push_back(one_op(MMUEXT_PIN_L4_TABLE, 0));
  p.calls.push_back(one_op(MMUEXT_NEW_BASEPTR, 0));
  return p;
}

std::vector<program> real_xen::programs() {
  std::vector<program> all(after_crash + 1);
  all[empty_l1] = {.nr_frames = 1, .calls = {one_op(MMUEXT_PIN_L1_TABLE, 0)}};
  all[rw_table] = {.nr_frames = 2,
                   .contents = {{.frame = 1, .slot = 9, .value = pte_to(0, PAGE_PRESENT | PAGE_RW)}},
                   .calls = {one_op(MMUEXT_PIN_L1_TABLE, 0), one_op(MMUEXT_PIN_L1_TABLE, 1)}};
  all[pin_twice] = {.nr_frames = 1, .calls = {one_op(MMUEXT_PIN_L2_TABLE, 0), one_op(MMUEXT_PIN_L2_TABLE, 0)}};
  all[stores] = store_program();
  all[a_batch] = batch_program();
  all[untouched] = {.nr_frames = 2, .nr_untouched = 1};
  all[new_cr3] = new_cr3_program();
  all[grants] = grant_program();
  all[foreign] = foreign_program();
  all[an_event] = event_program();
  all[crash] = crash_program();
  all[after_crash] = {.nr_frames = 1, .calls = {one_op(MMUEXT_PIN_L1_TABLE, 0)}};
  return all;
}

// A pin is a type reference and a general one.
TEST_F(real_xen, pins_an_empty_l1) {
  EXPECT_EQ(answer_of(empty_l1).calls[0].result, 0);
  EXPECT_EQ(frame_of(empty_l1, 0).type_info, xen::PGT_l1_page_table | xen::PGT_pinned | xen::PGT_validated | 1);
  EXPECT_EQ(frame_of(empty_l1, 0).count_info, allocated | 2);
  EXPECT_EQ(frame_of(empty_l1, 0).owner, xen::owner_of(0));
}

// An L1 that maps a page table writable is refused with -EBUSY, and keeps no type.
TEST_F(real_xen, refuses_to_map_a_table_writable) {
  EXPECT_EQ(answer_of(rw_table).calls[0].result, 0);
  EXPECT_EQ(answer_of(rw_table).calls[1].result, to_result(xen_errno::ebusy));
  EXPECT_EQ(frame_of(rw_table, 1).type_info, 0);
  EXPECT_EQ(frame_of(rw_table, 1).count_info, allocated | 1);
  const mfn_t l1 = *answer_of(rw_table).frame(0);
  EXPECT_EQ(session_->memory->words(*answer_of(rw_table).frame(1))[9], make_pte(l1, PAGE_PRESENT | PAGE_RW));
}

// The second pin of a table is refused.
TEST_F(real_xen, pins_once) {
  EXPECT_EQ(answer_of(pin_twice).calls[0].result, 0);
  EXPECT_EQ(answer_of(pin_twice).calls[1].result, to_result(xen_errno::einval));
  EXPECT_EQ(frame_of(pin_twice, 0).type_info, xen::PGT_l2_page_table | xen::PGT_pinned | xen::PGT_validated | 1);
}

// Stores into an L1 through a read-only mapping are emulated; one that may not be, and one to nothing, fault.
TEST_F(real_xen, emulates_stores_or_faults) {
  const program_answer& a = answer_of(stores);
  EXPECT_EQ(pte_mfn(a.calls[2].value), *a.frame(1));
  EXPECT_FALSE(a.calls[2].taken);
  ASSERT_TRUE(a.calls[3].taken);
  EXPECT_EQ(a.calls[3].taken->cr2, a.window_va + 48);
  EXPECT_EQ(a.calls[3].taken->error_code, 3u);  // present, write; Xen hides that a PV kernel runs in ring 3
  ASSERT_TRUE(a.calls[4].taken);
  EXPECT_EQ(a.calls[4].taken->cr2, a.window_va + 4096);
  ASSERT_TRUE(a.calls[5].taken);
  EXPECT_EQ(a.calls[5].taken->error_code, 2u);  // a locked instruction faults as a write
  EXPECT_EQ(session_->memory->words(*a.frame(0))[5], 0u);
  EXPECT_EQ(frame_of(stores, 1).count_info, allocated | 1);
  EXPECT_EQ(frame_of(stores, 0).count_info, allocated | 3);  // the pin, and the window's entry
}

// Each entry of a multicall has its own result and done; what lies beyond a list cannot be read, and leaves done alone.
TEST_F(real_xen, answers_each_entry_of_a_multicall) {
  const answer& a = answer_of(a_batch).calls[0];
  EXPECT_EQ(a.result, 0);
  ASSERT_EQ(a.entries.size(), 3u);
  EXPECT_EQ(a.entries[0].result, 0);
  EXPECT_EQ(a.entries[1].result, to_result(xen_errno::ebusy));
  EXPECT_EQ(a.entries[1].done, 1u);
  EXPECT_EQ(a.entries[2].result, to_result(xen_errno::efault));
  EXPECT_EQ(a.entries[2].done, 1u);
  EXPECT_EQ(frame_of(a_batch, 1).type_info, xen::PGT_writable_page | xen::PGT_validated | 1);
}

// What programs begin with.
TEST_F(real_xen, gives_fresh_frames_and_a_window) {
  EXPECT_EQ(frame_of(untouched, 0).type_info, xen::PGT_writable_page | xen::PGT_validated);
  EXPECT_EQ(frame_of(untouched, 0).count_info, allocated | 1);
  EXPECT_EQ(frame_of(untouched, 1).type_info, 0u);
  EXPECT_EQ(frame_of(untouched, 1).count_info, allocated | 1);
  EXPECT_EQ(frame_of(untouched, probe::name_window_l1).type_info, xen::PGT_l1_page_table | xen::PGT_validated | 1);
  EXPECT_EQ(frame_of(untouched, probe::name_window_l1).count_info, allocated | 2);
}

// After a program that has loaded an L4 of its own, the probe is back on its own tables.
TEST_F(real_xen, comes_back_from_another_l4) {
  EXPECT_EQ(answer_of(new_cr3).how, program_answer::state::ended);
  EXPECT_EQ(answer_of(new_cr3).calls[0].result, 0);
  EXPECT_EQ(frame_of(new_cr3, 0).type_info, xen::PGT_l4_page_table);
  EXPECT_EQ(frame_of(new_cr3, 0).count_info, allocated | 1);
}

// Grants of one's own can be filled in beforehand, mapped and unmapped: the handle that Xen gave is at hand.
TEST_F(real_xen, maps_and_unmaps_a_grant) {
  const program_answer& a = answer_of(grants);
  for (const answer& each : a.calls) EXPECT_EQ(each.result, 0);
  const auto status = [](u64 w, int shift) { return static_cast<s16>(w >> shift & 0xffff); };
  EXPECT_EQ(status(a.calls[0].blobs[0][2], 16), GNTST_okay);
  EXPECT_EQ(a.calls[0].blobs[0][3], mfn_to_maddr(*a.frame(0)).bytes);
  EXPECT_EQ(status(a.calls[0].blobs[0][6], 16), GNTST_general_error);  // an empty entry grants nothing
  EXPECT_EQ(status(a.calls[1].blobs[0][2], 32), GNTST_okay);
  EXPECT_EQ(frame_of(grants, 0).count_info, allocated | 1);
  const u64 entry = session_->memory->words(a.grant_table)[(a.first_grant + 1) % probe::grants_per_frame];
  EXPECT_EQ(entry, make_grant(*a.frame(0), GTF_permit_access, 0));
}

// Another domain's table is pinned in that domain's name alone.
TEST_F(real_xen, has_a_foreign_domain) {
  const program_answer& a = answer_of(foreign);
  EXPECT_EQ(a.calls[0].result, to_result(xen_errno::einval));
  EXPECT_EQ(a.calls[1].result, 0);
  EXPECT_EQ(frame_of(foreign, probe::name_foreign).owner, xen::owner_of(probe::foreign_domid));
  EXPECT_EQ(frame_of(foreign, probe::name_foreign).type_info,
            xen::PGT_l1_page_table | xen::PGT_pinned | xen::PGT_validated | 1);
  EXPECT_EQ(frame_of(foreign, probe::name_foreign + 1).count_info, allocated | 2);
}

// As dom0 finds it: page tables are mapped read-only, the L4 is pinned and loaded as well, what is mapped is writable,
// and the rest has no type (xen 4.17 pv/dom0_build.c).
TEST_F(real_xen, can_be_seen_at_dom0s_entry) {
  const start_info& start = at_entry_->facts.start;
  const auto frame_at = [&start](u64 va) {
    const pfn_t pfn{(va - start.virt_base) / PAGE_SIZE};
    for (const p2m_run& run : start.p2m)
      if (run.pfn <= pfn && pfn < run.pfn + run.frames) return at_entry_->memory->frame(run.mfn + (pfn.n - run.pfn.n));
    throw std::out_of_range("no such frame");
  };
  EXPECT_EQ(frame_at(start.pt_base).type_info, xen::PGT_l4_page_table | xen::PGT_pinned | xen::PGT_validated | 2);
  EXPECT_EQ(frame_at(start.pt_base).count_info, allocated | 4);
  for (u64 i = 1; i < start.nr_pt_frames; ++i) {
    const xen::page_info pg = frame_at(start.pt_base + i * PAGE_SIZE);
    EXPECT_EQ(pg.type_info & ~xen::PGT_type_mask, xen::PGT_validated | 1);
    EXPECT_EQ(pg.count_info, allocated | 3);
  }
  EXPECT_EQ(frame_at(start.virt_base).type_info, xen::PGT_writable_page | xen::PGT_validated | 1);
  const xen::page_info beyond = frame_at(start.virt_base + start.mapped_pages * PAGE_SIZE);
  EXPECT_EQ(beyond.type_info, 0u);
  EXPECT_EQ(beyond.count_info, allocated | 1);
}

// A program may make Xen believe that an event waits for the domain.
TEST_F(real_xen, survives_an_event) {
  EXPECT_EQ(answer_of(an_event).how, program_answer::state::ended);
  EXPECT_EQ(answer_of(an_event).calls.back().result, 0);
}

// A program after which the probe cannot run on is found by its call, and what came before it is still there.
TEST_F(real_xen, tells_which_call_was_fatal) {
  EXPECT_EQ(answer_of(crash).how, program_answer::state::crashed);
  ASSERT_EQ(answer_of(crash).calls.size(), 1u);
  EXPECT_EQ(answer_of(crash).calls[0].result, 0);
  EXPECT_EQ(answer_of(after_crash).how, program_answer::state::not_run);
}

// The machine's facts are those of Xen's own books: dom0 owns what it was given, DOMID_XEN's frames begin with the M2P,
// the local APIC may not be mapped, and the L4's slots of Xen lead somewhere.
TEST_F(real_xen, tells_the_machines_facts) {
  const machine_facts& f = session_->facts;
  EXPECT_EQ(f.dom0_pages, 640u * 256 + 1 + probe::nr_grant_frames);  // and pages of Xen's heap
  const auto contains = [](const std::vector<xen::mfn_range>& ranges, mfn_t mfn) {
    return std::ranges::any_of(ranges, [mfn](const xen::mfn_range& r) { return r.contains(mfn); });
  };
  EXPECT_TRUE(contains(f.dom_xen, answer_of(empty_l1).m2p));
  EXPECT_TRUE(contains(f.dom0_iomem, mfn_t{0xfed00}));
  EXPECT_FALSE(contains(f.dom0_iomem, mfn_t{0xfee00}));
  EXPECT_TRUE(present(f.xen_l4_slots[0]));
  EXPECT_EQ(pte_mfn(f.xen_l4_slots[2]), answer_of(empty_l1).probe_l4);
}

}  // namespace
}  // namespace pvmmu::lab
