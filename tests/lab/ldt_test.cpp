// Selectors of the LDT, loaded on the real Xen and on the model: what the processor and Xen answer, which frames are
// held meanwhile, and what is left in them.

#include <gtest/gtest.h>

#include <cstdlib>

#include "proto/abi/access.h"
#include "tools/conform/comparison.h"
#include "tools/conform/model_side.h"

namespace pvmmu::conform {
namespace {

using namespace lab;

constexpr u64 data_segment = 0x00cff2000000ffff, task_segment = 0x0000890000000067;
constexpr u64 ro = PAGE_PRESENT | PAGE_USER, rw = ro | PAGE_RW;

/// What each call answers on the real Xen: a result, or for an access the exception, 0 for none.
struct named_program {
  std::string name;
  program p;
  std::vector<s64> answers;
};

mmuext_op op(u32 cmd, word arg1, word arg2 = {}) {
  return {.uops = {{.cmd = cmd, .arg1 = arg1, .arg2 = arg2}}, .count = 1};
}
mmuext_op set_ldt(word va, u32 ents) { return op(MMUEXT_SET_LDT, va, plain(ents)); }
memory_access load(u64 index) {
  return {.op = probe::access_op::load_selector, .value = plain(index << 3 | 7), .expected = plain(0)};
}
update_va_mapping map(u32 slot, word entry) { return {.va = window_va(slot), .val = entry, .flags = UVMF_INVLPG}; }
update_va_mapping map_page(u32 slot, u32 frame, u64 flags = ro) { return map(slot, pte_to(frame, flags)); }
/// 0 if the frame may be mapped writable, which is undone.
multicall is_writable(u32 frame) { return {.entries = {map_page(20, frame, rw), map(20, plain(0))}, .nr_calls = 2}; }

constexpr s64 GP = 13, NP = 11, PF = 14, refused = -22, busy = -16;

/// Frame 0 has the descriptors of `descs` from slot 0 on, and is mapped at slot 0 of the window.
program on_ldt(const std::vector<u64>& descs, std::vector<call> calls) {
  program p{.nr_frames = 2};
  for (u16 i = 0; i < descs.size(); ++i) p.contents.push_back({.frame = 0, .slot = i, .value = plain(descs[i])});
  p.calls = {map_page(0, 0)};
  p.calls.insert(p.calls.end(), calls.begin(), calls.end());
  return p;
}

std::vector<named_program> descriptors() {
  const auto load_all = [](const std::vector<u64>& descs) {
    std::vector<call> calls{set_ldt(window_va(0), 512)};
    for (u64 i = 0; i < descs.size(); ++i) calls.emplace_back(load(i));
    return on_ldt(descs, calls);
  };
  // Of the 32 kinds of descriptors, those that a guest may have: every segment, present or not, of ring 0 and of
  // ring 3.
  std::vector<u64> segments;
  std::vector<s64> answers{0, 0};
  for (const u64 dpl : {0u, 3u}) {
    for (const bool there : {true, false}) {
      for (u64 type = 0; type < 16; ++type) {
        segments.push_back(0x00cf10000000ffff | type << 40 | dpl << 45 | u64{there} << 47);
        const bool code = (type & 8) != 0, readable = !code || (type & 2) != 0;
        const bool in_ring = dpl == 3 || there || (code && (type & 4) != 0);  // Xen gives what is there ring 3
        answers.push_back(!readable || !in_ring ? GP : there ? 0 : NP);
      }
    }
  }
  return {{"every segment", load_all(segments), answers},
          {"what is no segment",
           load_all({0, u64{1} << 40, 0x0000ec00e0330000, 0, 0x0000890000000067 & ~(u64{1} << 47)}),
           {0, 0, GP, GP, GP, GP, GP}}};
}

std::vector<named_program> limits() {
  const word va = window_va(0);
  return {{"no LDT", on_ldt({}, {load(0), load(8191)}), {0, GP, GP}},
          {"beyond the LDT",
           on_ldt({0, data_segment}, {set_ldt(va, 1), load(1), is_writable(0), set_ldt(va, 2), load(1)}),
           {0, 0, GP, 0, 0, 0}},
          {"nothing mapped", on_ldt({}, {set_ldt(va, 8192), load(512), load(8191)}), {0, 0, PF, PF}},
          {"no tables", on_ldt({}, {set_ldt(plain(0x1000), 8192), load(0), load(8191)}), {0, 0, PF, PF}},
          {"across the last address",
           on_ldt({}, {set_ldt(plain(0x7ffffffff000), 8192), load(0), load(512), load(8191)}),
           {0, 0, PF, GP, GP}},
          {"around the address space", on_ldt({}, {set_ldt(plain(0xfffffffffffff000), 8192), load(512)}), {0, 0, PF}}};
}

std::vector<named_program> holds() {
  const word va = window_va(0);
  const std::vector<u64> one{0, data_segment};
  return {
      {"held",
       on_ldt(one, {set_ldt(va, 512), is_writable(0), load(1), map_page(20, 0, rw),
                    op(MMUEXT_CLEAR_PAGE, mfn_of_frame(0)), op(MMUEXT_PIN_L1_TABLE, mfn_of_frame(0)), set_ldt(va, 512),
                    map_page(20, 0, rw), set_ldt(va, 511), map_page(20, 0, rw)}),
       {0, 0, 0, 0, busy, refused, refused, 0, busy, 0, 0}},
      {"mapped writable",
       on_ldt(one, {map_page(20, 0, rw), set_ldt(va, 512), load(1), map(20, plain(0)), load(1)}),
       {0, 0, 0, PF, 0, 0}},
      {"a page table",
       on_ldt({}, {op(MMUEXT_PIN_L1_TABLE, mfn_of_frame(0)), set_ldt(va, 512), load(1),
                   op(MMUEXT_UNPIN_TABLE, mfn_of_frame(0)), load(1)}),
       {0, 0, 0, PF, 0, GP}},
      {"a bad descriptor",
       on_ldt({0, data_segment, task_segment}, {set_ldt(va, 512), load(1), is_writable(0)}),
       {0, 0, PF, 0}},
      {"unmapped while held",
       on_ldt(one,
              {set_ldt(va, 512), load(1), map(0, plain(0)), load(1), map_page(20, 0, rw), map_page(0, 1), load(1)}),
       {0, 0, 0, 0, 0, busy, 0, 0}},
      {"update_descriptor while held",
       on_ldt(one, {set_ldt(va, 512), load(1), update_descriptor{entry_of(0, 1), 0}, load(1),
                    update_descriptor{entry_of(0, 2), data_segment}, load(2)}),
       {0, 0, 0, 0, GP, 0, 0}},
      {"two pages of one frame",
       on_ldt(one, {map_page(1, 0), set_ldt(va, 1024), load(1), load(513), set_ldt(va, 512), load(1)}),
       {0, 0, 0, 0, 0, 0, 0}},
      {"also a GDT",
       on_ldt(one, {set_ldt(va, 512), load(1), set_gdt{.frame_list = {mfn_of_frame(0)}, .entries = 512},
                    set_ldt(plain(0), 0), map_page(20, 0, rw)}),
       {0, 0, 0, 0, 0, busy}},
      {"the accessed bits of the tables",
       on_ldt(one, {mmu_update{.ureqs = {{entry_of(probe::name_window_l1, 0), pte_to(0, PAGE_PRESENT | PAGE_USER)}},
                               .count = 1},
                    set_ldt(va, 512), load(1)}),
       {0, 0, 0, 0}},
      {"given back to Xen while held",
       on_ldt(one, {set_ldt(va, 512), load(1),
                    memory_op{.cmd = XENMEM_decrease_reservation,
                              .arg = memory_reservation{.extents = {.words = {mfn_of_frame(0)}}, .nr_extents = 1}},
                    map(0, plain(0)), load(1), set_ldt(plain(0), 0)}),
       {0, 0, 0, 1, 0, 0, 0}},
  };
}

/// Another L4 gives the LDT back, even if it has the same tables; a second user table does not.
std::vector<named_program> roots() {
  const word va = window_va(0);
  program p =
      on_ldt({0, data_segment}, {set_ldt(va, 512), load(1), op(MMUEXT_NEW_USER_BASEPTR, mfn_of_frame(1)),
                                 map_page(20, 0, rw), op(MMUEXT_NEW_BASEPTR, plain(0x50000)), map_page(20, 0, rw),
                                 op(MMUEXT_NEW_BASEPTR, mfn_of_frame(1)), map_page(20, 0, rw), map(20, plain(0)),
                                 load(1), op(MMUEXT_NEW_BASEPTR, mfn_of_frame(1)), map_page(20, 0, rw)});
  for (const u16 slot : {u16{probe::window_l4_slot}, u16{511}})
    p.contents.push_back({.frame = 1, .slot = slot, .value = probe_l4_entry(slot)});
  return {{"another root", p, {0, 0, 0, 0, busy, refused, busy, 0, 0, 0, 0, 0, busy}}};
}

s64 answer_of(const answer& a) { return a.taken ? a.taken->vector : a.result; }

// Each program ends alike on both sides, and the real Xen answers as it should.
TEST(ldt, is_the_same_on_both_sides) {
  if (std::getenv("PVMMU_SKIP_LAB")) GTEST_SKIP() << "PVMMU_SKIP_LAB is set";
  const pvmmu::lab::lab real{{.probe = PVMMU_PROBE}};
  std::vector<named_program> named;
  for (auto& group : {descriptors(), limits(), holds(), roots()}) named.insert(named.end(), group.begin(), group.end());
  std::vector<program> programs;
  for (const named_program& n : named) programs.push_back(n.p);
  const auto make = [](const machine_facts& facts) { return std::make_unique<model_side>(facts); };
  const comparison all = compare(real, programs, make, [&](const outcome& o) {
    const named_program& n = named[o.program];
    EXPECT_EQ(o.real.how, program_answer::state::ended) << n.name;
    std::vector<s64> answers;
    for (const answer& a : o.real.calls) answers.push_back(answer_of(a));
    EXPECT_EQ(answers, n.answers) << n.name;
    if (!o.differs) return;
    ADD_FAILURE() << n.name << ": " << o.differs->where << ": real " << o.differs->real << ", model "
                  << o.differs->model;
  });
  for (const difference& d : all.shared) ADD_FAILURE() << d.where << ": real " << d.real << ", model " << d.model;
}

}  // namespace
}  // namespace pvmmu::conform
