// The table tells an errno's operation: the entry at which a batch stopped, what it was aimed at, in a multicall and
// over continuations too.

#include "tools/conform/outcome_table.h"

#include <gtest/gtest.h>

#include "tools/conform/model_side.h"

namespace pvmmu::conform {
namespace {

using namespace lab;

constexpr u64 rw = PAGE_PRESENT | PAGE_RW;

/// Frames where a machine that the lab boots could have them.
placement some_placement() {
  placement where;
  for (u64 i = 0; i < 4; ++i) where.frames.emplace_back(mfn_t{40'000 + i});
  where.window_va = probe::first_window_va;
  where.window_l1 = {50'001};
  where.window_l2 = {50'002};
  where.window_l3 = {50'003};
  where.probe_l4 = {50'004};
  where.shared_info = {50'005};
  where.grant_table = {50'006};
  return where;
}

class outcome_table_test : public testing::Test {
 protected:
  outcome_table_test() { facts.frames = 65'536; }
  void run(std::vector<call> calls, std::vector<content> contents = {}) {
    model_side model{facts, &table};
    model.run({.nr_frames = 4, .contents = std::move(contents), .calls = std::move(calls)},
              {some_placement(), program_answer::state::ended, {}});
  }
  u64 counted(std::string_view operation, std::string_view outcome) const { return table.counted(operation, outcome); }

  machine_facts facts;
  outcome_table table;
};

mmuext_op one_op(u32 cmd, u32 frame) { return {.uops = {{.cmd = cmd, .arg1 = mfn_of_frame(frame)}}, .count = 1}; }

// The entries before the one that failed were done; those after it never began.
TEST_F(outcome_table_test, names_the_entry_that_stopped) {
  run({one_op(MMUEXT_PIN_L1_TABLE, 0), mmu_update{.ureqs = {{entry_of(0, 0), pte_to(1, rw)},
                                                            {entry_of(1, 0), plain(0)},
                                                            {entry_of(0, 1), pte_to(0, rw)},
                                                            {entry_of(0, 2), plain(0)}},
                                                  .count = 4}});
  EXPECT_EQ(counted("PIN_L1_TABLE", "0"), 1u);
  EXPECT_EQ(counted("mmu_update NORMAL: L1", "0"), 1u);
  EXPECT_EQ(counted("mmu_update NORMAL: writable", "0"), 1u);
  EXPECT_EQ(counted("mmu_update NORMAL: L1", "-EBUSY"), 1u);
}

// A replaced table ends a piece: its entry is counted once, and so is the one that fails in the next piece.
TEST_F(outcome_table_test, follows_continuations) {
  run({one_op(MMUEXT_PIN_L2_TABLE, 0),
       multicall{.entries = {mmu_update{.ureqs = {{entry_of(0, 0), plain(0)}, {entry_of(0, 1), plain(0)}}, .count = 2},
                             vm_assist{.cmd = 7}},
                 .nr_calls = 2},
       mmu_update{.ureqs = {{entry_of(0, 3), plain(0)}}, .count = 2}},
      {{.frame = 0, .slot = 0, .value = pte_to(1, rw)}});
  EXPECT_EQ(counted("mmu_update NORMAL: L2", "0"), 3u);
  EXPECT_EQ(counted("vm_assist", "-ENOSYS"), 1u);
  EXPECT_EQ(counted("multicall", "0"), 1u);
  EXPECT_EQ(counted("mmu_update", "-EFAULT"), 1u);  // what could not be read is no entry's outcome
}

// A table that failed halfway is taken down in a piece of its own, which brings the errno.
TEST_F(outcome_table_test, hears_a_late_errno) {
  run({one_op(MMUEXT_PIN_L2_TABLE, 0)},
      {{.frame = 0, .slot = 0, .value = pte_to(1, rw)}, {.frame = 0, .slot = 1, .value = pte_to(0, rw)}});
  EXPECT_EQ(counted("PIN_L2_TABLE", "-EINVAL"), 1u);
  EXPECT_EQ(counted("mmuext_op", "-EINVAL"), 0u);
}

// The quirk of `count`: foreigndom comes back.
TEST_F(outcome_table_test, knows_the_quirk) {
  run({mmu_update{.count = MMU_UPDATE_PREEMPTED, .null_list = true, .foreigndom = 5}});
  EXPECT_EQ(counted("mmu_update", "foreigndom"), 1u);
}

// A store is named by what lies behind the mapping.
TEST_F(outcome_table_test, names_stores) {
  const update_va_mapping map{.va = window_va(0), .val = pte_to(0, PAGE_PRESENT)};
  const memory_access store{.op = probe::access_op::write, .va = window_va(0), .value = pte_to(0, rw)};
  run({map, store, one_op(MMUEXT_PIN_L1_TABLE, 0), store});
  EXPECT_EQ(counted("store: RO mapping of no table", "#PF"), 1u);
  EXPECT_EQ(counted("write: RO mapping of an L1", "#PF"), 1u);
}

// A decrease is named by the frames that it gives back, and its number told as a word; an exchange that fails late has
// done something.
TEST_F(outcome_table_test, names_what_comes_and_goes) {
  const auto decrease = [](std::vector<word> frames, u32 order = 0) {
    const u64 n = frames.size();
    return pvmmu::lab::memory_op{
        .cmd = XENMEM_decrease_reservation,
        .arg = memory_reservation{.extents = {std::move(frames)}, .nr_extents = n, .extent_order = order}};
  };
  const pvmmu::lab::memory_exchange two{.in = {.extents = {{mfn_of_frame(1), mfn_of_frame(0)}}, .nr_extents = 2},
                                        .out = {.extents = {{plain(7), plain(8)}}, .nr_extents = 2}};
  run({one_op(MMUEXT_PIN_L1_TABLE, 0), decrease({mfn_of_frame(0), plain(1 << 20)}), decrease({mfn_of_frame(2)}),
       decrease({mfn_of_frame(2)}), decrease({mfn_of_frame(3)}, 19),
       pvmmu::lab::memory_op{.cmd = XENMEM_exchange, .arg = two}});
  EXPECT_EQ(counted("decrease: L1", "0"), 1u);
  EXPECT_EQ(counted("decrease: no frame", "stops"), 2u);
  EXPECT_EQ(counted("decrease: no type held", "0"), 1u);
  EXPECT_EQ(counted("decrease_reservation", "some"), 1u);
  EXPECT_EQ(counted("decrease_reservation", "all"), 1u);
  EXPECT_EQ(counted("decrease_reservation", "none"), 1u);
  EXPECT_EQ(counted("decrease_reservation", "refused"), 1u);
  EXPECT_EQ(counted("exchange: a later chunk", "-EINVAL"), 1u);
}

// Each entry of a grant's call has a status of its own, beside the call's result.
TEST_F(outcome_table_test, counts_the_status_of_each_grant) {
  run({map_grant_ref{.uop = {{.flags = 0}, {.flags = GNTMAP_host_map, .dom = 77}}, .count = 2},
       unmap_grant_ref{.uop = {{.handle = plain(5)}}, .count = 2}});
  EXPECT_EQ(counted("map_grant_ref", "GNTST_bad_gntref"), 1u);
  EXPECT_EQ(counted("map_grant_ref", "GNTST_bad_domain"), 1u);
  EXPECT_EQ(counted("unmap_grant_ref", "GNTST_bad_handle"), 1u);
  EXPECT_EQ(counted("grant_table_op", "0"), 1u);
  EXPECT_EQ(counted("grant_table_op", "-EFAULT"), 1u);
}

// A selector is named by what its page is; whoever gives the LDT's pages back is counted beside what it came to.
TEST_F(outcome_table_test, names_selectors) {
  const update_va_mapping map{.va = window_va(0), .val = pte_to(0, PAGE_PRESENT)};
  const memory_access load{.op = probe::access_op::load_selector, .value = plain(1 << 3 | 7)};
  const auto set_ldt = [](u64 ents) {
    return mmuext_op{.uops = {{.cmd = MMUEXT_SET_LDT, .arg1 = window_va(0), .arg2 = plain(ents)}}, .count = 1};
  };
  run({load, set_ldt(512), load, map, load, load, set_ldt(512), set_ldt(511)},
      {{.frame = 0, .slot = 1, .value = plain(0x00cff2000000ffff)}});
  EXPECT_EQ(counted("load_selector: beyond the LDT", "#GP"), 1u);
  EXPECT_EQ(counted("load_selector: nothing mapped", "#PF"), 1u);
  EXPECT_EQ(counted("load_selector: no type held", "0"), 1u);
  EXPECT_EQ(counted("load_selector: page in use", "0"), 1u);
  EXPECT_EQ(counted("SET_LDT", "0"), 3u);
  EXPECT_EQ(counted("SET_LDT: gives pages back", "0"), 1u);
}

// What was reached often enough is not listed, what nobody can reach never is, unless somebody did.
TEST_F(outcome_table_test, lists_what_is_rare) {
  const auto lists = [this](std::string_view operation, std::string_view outcome) {
    for (const outcome_cell& c : table.below(2))
      if (c.operation == operation && c.outcome == outcome) return true;
    return false;
  };
  table.count("set_gdt", "0");
  EXPECT_TRUE(lists("set_gdt", "0"));
  table.count("set_gdt", "0");
  EXPECT_FALSE(lists("set_gdt", "0"));
  EXPECT_FALSE(lists("FLUSH_CACHE", "-EACCES"));
  EXPECT_TRUE(table.unforeseen().empty());
  table.count("FLUSH_CACHE", "-EACCES");
  EXPECT_EQ(table.unforeseen().size(), 1u);
}

}  // namespace
}  // namespace pvmmu::conform
