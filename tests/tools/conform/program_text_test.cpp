#include "tools/conform/program_text.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "hypervisor-model/machine/page_info.h"
#include "tests/tools/conform/random_program.h"

namespace pvmmu::conform {
namespace {

/// The program of a text that must be one.
named_program parsed(const std::string& text) {
  auto p = parse_program(text, "f");
  if (!p) throw std::runtime_error(p.error() + "\n" + text);
  return *std::move(p);
}

// Whatever a program says, its text says too.
TEST(program_text, comes_back_as_it_was) {
  const u64 seed = std::random_device{}();
  fmt::print("seed {}\n", seed);
  std::mt19937_64 rng(seed);
  for (int i = 0; i < 1000; ++i) {
    const lab::program p = random_program(rng);
    const std::string text = print_program(p, "random \"and\" quoted");
    const named_program back = parsed(text);
    ASSERT_TRUE(back.program == p) << text << "\nread back:\n" << print_program(back.program, "");
    ASSERT_EQ(back.title, "random \"and\" quoted");
    ASSERT_EQ(back.expected.size(), p.calls.size());
  }
}

// Names stand where numbers would say nothing.
TEST(program_text, reads_well) {
  lab::program p{.nr_frames = 2};
  p.contents.push_back({.frame = 0, .slot = 3, .value = lab::pte_to(1, PAGE_PRESENT | PAGE_RW | 0x200)});
  p.calls.push_back(lab::mmuext_op{.uops = {{.cmd = MMUEXT_PIN_L1_TABLE, .arg1 = lab::mfn_of_frame(0)}}, .count = 1});
  p.calls.push_back(lab::mmu_update{.ureqs = {{lab::entry_of(0, 4, MMU_PT_UPDATE_PRESERVE_AD), lab::plain(0)},
                                              {lab::entry_of(0, 5), lab::plain(0xfee00003)}},
                                    .count = 2,
                                    .pdone = {.where = done_arg::state::writable, .value = 77}});
  EXPECT_EQ(print_program(p, "an L1"), R"(title: "an L1"
domain { kind: DOM0 }
step {
  alloc_frame {
    name: "f0"
    begins: UNMAPPED
    contents { slot: 3 pte { frame { name: "f1" } flag: [PRESENT, RW] bits: 0x200 } }
  }
}
step { alloc_frame { name: "f1" begins: UNMAPPED } }
step { hypercall { mmuext_op { op { cmd: MMUEXT_PIN_L1_TABLE frame { name: "f0" } } done: ABSENT } } }
step {
  hypercall {
    mmu_update {
      request { entry { table { name: "f0" } slot: 4 } command: MMU_PT_UPDATE_PRESERVE_AD val: 0 }
      request { entry { table { name: "f0" } slot: 5 } pte { frame { mfn: 0xfee00 } flag: [PRESENT, RW] } }
      done_value: 0x4d
    }
  }
}
)");
}

}  // namespace
}  // namespace pvmmu::conform
