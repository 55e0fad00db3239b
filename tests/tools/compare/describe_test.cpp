// How calls are put into words: what gets a name, how long it keeps it, and what is set aside.

#include "tools/compare/describe.h"

#include <gmock/gmock.h>

#include "guest-pv/kernel.h"
#include "tools/compare/model_stream.h"

namespace pvmmu::compare {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// What the model's kernel asks for these steps, between exec and the process's end.
described_stream described(const std::string& steps, process_image image = {}) {
  const auto scenario = tools::scenario_file::parse(
      "steps", R"(title: "t" domain { kernel { profile: "6.1" } } step { exec { mm: "a" } })" + steps +
                   R"(step { exit_mmap { mm: "a" } })");
  const call_stream stream = run_on_model(scenario, {}, image);
  return describe(stream, find_users_of(stream, {{0x200000000000, 0x400000000000}}));
}

std::vector<std::string> texts(const described_stream& stream, std::size_t first, std::size_t count) {
  std::vector<std::string> all;
  for (std::size_t i = first; i < std::min(stream.calls.size(), first + count); ++i)
    all.push_back(stream.calls[i].text());
  return all;
}

/// The one call whose text has all of these.
std::string text_with(const described_stream& stream, const std::string& part, std::size_t nth = 0) {
  for (const described_call& c : stream.calls) {
    if (c.text().find(part) != std::string::npos && nth-- == 0) return c.text();
  }
  return "none with " + part;
}

constexpr const char* map_and_touch = R"(step { mmap { va: 0x200000000000 bytes: 0x200000 } }
                                         step { touch { va: 0x200000000000 bytes: 0x2000 } })";

// A first touch: tables get names in the order in which they come up, and an entry is where it translates.
TEST(described, first_touch) {
  EXPECT_THAT(texts(described(map_and_touch), 0, 7),
              ElementsAre("xen_alloc_ptpage: update_va_mapping L3#1 P|A|D|NX",
                          "xen_set_p4d: mmu_update pgd#2[0x200000000000] = L3#1 P|RW|US|A|D, user "
                          "pgd#3[0x200000000000] = L3#1 P|RW|US|A|D",
                          "xen_alloc_ptpage: update_va_mapping L2#4 P|A|D|NX",
                          "xen_set_pud: mmu_update L3#1[0x200000000000] = L2#4 P|RW|US|A|D",
                          "xen_alloc_ptpage: multicall\n    update_va_mapping L1#5 P|A|D|NX\n    mmuext_op "
                          "PIN_L1_TABLE L1#5",
                          "xen_set_pmd: mmu_update L2#4[0x200000000000] = L1#5 P|RW|US|A|D",
                          "xen_set_pte: mmu_update L1#5[0x200000000000] = page 1 new P|RW|US|A|D|NX|0x800"));
}

// A frame that was freed and is used again is another page: Linux hands out first what was freed last.
TEST(described, freed_page_has_another_name) {
  const described_stream d = described(std::string(map_and_touch) + R"(
      step { munmap { va: 0x200000001000 bytes: 0x1000 } }
      step { mmap { va: 0x200000001000 bytes: 0x1000 } }
      step { touch { va: 0x200000001000 bytes: 0x1000 } })");
  EXPECT_THAT(text_with(d, "[0x200000001000]", 0), HasSubstr("page 2 new"));
  EXPECT_THAT(text_with(d, "[0x200000001000]", 1), HasSubstr("trapped exchange L1#5[0x200000001000] = 0"));
  EXPECT_THAT(text_with(d, "[0x200000001000]", 2), HasSubstr("page 3 new"));
}

// A page that is moved keeps its name while no entry maps it; and its accessed and dirty bits say nothing.
TEST(described, moved_page_keeps_its_name) {
  const described_stream d = described(std::string(map_and_touch) + R"(
      step { mremap { old_va: 0x200000000000 new_va: 0x300000003000 bytes: 0x2000 } })");
  EXPECT_THAT(text_with(d, "[0x300000003000] = page"), HasSubstr("page 1 P|RW|US|G|NX|0x800"));
  EXPECT_THAT(text_with(d, "[0x300000003000] = page"), HasSubstr("[0x300000004000] = page 2 P|RW|US|G|NX|0x800"));
}

// A table that was freed and is one again is another table.
TEST(described, freed_table_has_another_name) {
  const described_stream d = described(std::string(map_and_touch) + R"(
      step { munmap { va: 0x200000000000 bytes: 0x200000 } }
      step { mmap { va: 0x300000000000 bytes: 0x200000 } }
      step { touch { va: 0x300000000000 bytes: 0x1000 } })");
  EXPECT_THAT(text_with(d, "pgd#2[0x200000000000] = L"), HasSubstr("L3#1"));
  EXPECT_THAT(text_with(d, "pgd#2[0x300000000000] = L"), HasSubstr("L3#6"));
}

// The same words on machines whose frames are others: the second process has more memory.
TEST(described, words_do_not_depend_on_frames) {
  process_image image;
  for (u64 va = 0x400000; va < 0x480000; va += PAGE_SIZE) image.pages.push_back({va, 0x25, va});
  const described_stream plain = described(map_and_touch);
  const described_stream beside = described(map_and_touch, image);
  EXPECT_EQ(texts(plain, 0, 8), texts(beside, 0, 8));
}

// The end: away from the tables, then all are unpinned in the order of the walk, those of other addresses too.
TEST(described, end_of_a_process) {
  const described_stream d =
      described(map_and_touch, {.tables = {}, .pages = {{0x400000, PAGE_PRESENT | PAGE_USER, 1}}});
  EXPECT_TRUE(d.ended);
  EXPECT_THAT(texts(d, 8, 2), ElementsAre("xen_write_cr3: mmuext_op NEW_BASEPTR another's, NEW_USER_BASEPTR 0",
                                          "__xen_pgd_unpin: multicall\n"
                                          "    mmuext_op UNPIN_TABLE pgd#2, UNPIN_TABLE user pgd#3\n"
                                          "    update_va_mapping user pgd#3 P|RW|A|D|NX and flush\n"
                                          "    update_va_mapping L3#6 P|RW|A|D|NX\n"
                                          "    update_va_mapping L2#7 P|RW|A|D|NX\n"
                                          "    mmuext_op UNPIN_TABLE L1#8\n"
                                          "    update_va_mapping L1#8 P|RW|A|D|NX\n"
                                          "    update_va_mapping L3#1 P|RW|A|D|NX\n"
                                          "    update_va_mapping L2#4 P|RW|A|D|NX\n"
                                          "    mmuext_op UNPIN_TABLE L1#5\n"
                                          "    update_va_mapping L1#5 P|RW|A|D|NX\n"
                                          "    update_va_mapping pgd#2 P|RW|A|D|NX and flush"));
}

}  // namespace
}  // namespace pvmmu::compare
