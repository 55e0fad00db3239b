#include <gmock/gmock.h>

#include <boost/json/parse.hpp>
#include <map>

#include "hypervisor-model/domain.h"
#include "tools/command.h"
#include "tools/show/page_tree.h"
#include "tools/show/show_text.h"
#include "tools/show/step_source.h"
#include "tools/show/touched.h"
#include "tools/show/tree_text.h"

namespace pvmmu::tools {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

/// A real Linux 6.1 moves 8 MiB at 0x200000000000, PMD by PMD, on the real Xen.
const std::string move_8m = PVMMU_SOURCE_DIR "/tests/fidelity/recordings/6.1/move_8m.rec";
constexpr u64 first_move = 592;  // the first PMD is cleared; Xen leaves the call for a moment

class shown : public testing::Test {
 protected:
  std::string text(show_request request) {
    std::string all;
    request.path = move_8m;
    show_text(t, request, false, [&](const std::string& piece) { all += piece; });
    return all;
  }
  boost::json::value document(show_request request) {
    std::string all;
    request.path = move_8m;
    show_json(t, request, [&](const std::string& piece) { all += piece; });
    return boost::json::parse(all);
  }

  timeline t = timeline::open(move_8m, false);
};

// The overview has a line for each step, but for those that are like the one before, and numbers stay.
TEST_F(shown, as_an_overview) {
  const std::string all = text({});
  EXPECT_THAT(all, HasSubstr("Linux 6.1.0-56-amd64: workload move_8m\n"));
  EXPECT_THAT(all, HasSubstr("702 steps"));
  EXPECT_THAT(all, ContainsRegex("\n    1  __xen_set_pte +mmu_update = 0 "));
  EXPECT_THAT(all, ContainsRegex("\n    2  .*\n    … and 15 more like it\n   18  xen_leave_lazy_mmu "));
  EXPECT_THAT(all,
              ContainsRegex("\n  592  xen_set_pmd_hyper +mmu_update, preempted +L2 mfn 0x36526\\[0\\]  mfn 0x36525 "
                            "P\\|RW\\|US\\|A\\|D → 0\n"));
  EXPECT_LT(std::ranges::count(all, '\n'), 400);
}

// A step in full: call, entry, what changed, and the kernel functions that led to it, each once.
TEST_F(shown, in_full) {
  const std::string all = text({.steps = "595"});
  EXPECT_THAT(all, HasSubstr("step 595\n"));
  EXPECT_THAT(all, HasSubstr("xen_set_pmd: mmu_update = 0\n    L2 mfn 0x36520[0]  0 → mfn 0x36525 P|RW|US|A|D\n"
                             "      mfn 0x36525 L1  type count 1→2  count 3→4\n"));
  EXPECT_THAT(all, HasSubstr("called by move_page_tables < move_vma"));
  const std::string changes = text({.steps = "595", .changes = true});
  EXPECT_THAT(changes, HasSubstr("    mfn 0x36525 L1  type count 1→2  count 3→4\n"));
  EXPECT_THAT(changes, Not(HasSubstr("mmu_update")));
}

// Of a frame's life, only the steps that touch it, each with what it did to this frame.
TEST_F(shown, by_frame) {
  const std::string all = text({.mfn = mfn_t{0x36525}});
  EXPECT_THAT(all, ContainsRegex("567  xen_alloc_pte .*\n    mfn 0x36525  type writable→L1 .* pinned set\n"));
  EXPECT_THAT(all, ContainsRegex("595  .*\n    mfn 0x36525 L1  type count 1→2  count 3→4\n"));
  EXPECT_THAT(all, Not(HasSubstr("\n  596 "))) << "which moves another";
  EXPECT_THAT(text({.mfn = mfn_t{0x200}}), HasSubstr("no step touches mfn 0x200\n"));
}

// Of an address, only the steps that change an entry on the way to it: the tables come, the PMD goes, the tables go.
TEST_F(shown, by_address) {
  const std::string all = text({.va = 0x200000000000});
  for (const char* step : {"\n  564 ", "\n  566 ", "\n  568 ", "\n  569 ", "\n  592 ", "\n  612 ", "\n  615 "})
    EXPECT_THAT(all, HasSubstr(step));
  EXPECT_THAT(all, Not(HasSubstr("\n  595 "))) << "which is about where it is moved to";
}

// The tree behind the step marks the entry that it cleared, and the table behind it is no longer there.
TEST_F(shown, as_a_tree) {
  const std::string all = text({.steps = "592", .va = 0x200000000000, .tree = true});
  EXPECT_THAT(all, HasSubstr("CR3 of d0v0, pinned\n"));
  EXPECT_THAT(all, HasSubstr("      * [0] 0x200000000000  mfn 0x36525 P|RW|US|A|D → 0\n"));
  const std::string before = text({.steps = "591", .va = 0x200000000000, .tree = true});
  EXPECT_THAT(before, HasSubstr("[0] L1 mfn 0x36525  0x200000000000-0x2000001fffff"));
  EXPECT_THAT(before, Not(HasSubstr("* [0] L1"))) << "this step did not touch it";
  const std::string after = text({.steps = "595", .va = 0x300000000000, .tree = true});
  EXPECT_THAT(after, ContainsRegex("\\* \\[0\\] L1 mfn 0x36525 .*0 → P\\|RW\\|US\\|A\\|D  type count 1→2  count 3→4"));
}

// Every entry and every frame's state that a step changed is marked in the tree behind it, if it is in the tree, and
// nothing else is: for all the steps of the move.
TEST_F(shown, with_every_change_marked) {
  for (u64 number = first_move; number < first_move + 30; ++number) {
    t.go_to(number);
    const act& a = t.step().act;
    std::map<std::pair<u64, unsigned>, pte_t> expected;
    for (const owned_event& e : a.events)
      if (e.kind == event_kind::pte) expected.try_emplace({e.mfn.n, e.slot}, e.old);
    const std::function<void(const tree_table&)> check = [&](const tree_table& table) {
      for (const tree_entry& e : table.entries) {
        EXPECT_EQ(e.value, t.machine().words(table.mfn)[e.slot]);
        const auto old = expected.find({table.mfn.n, e.slot});
        EXPECT_EQ(e.before.has_value(), old != expected.end() && old->second != e.value) << number;
        if (e.before) {
          EXPECT_EQ(*e.before, old->second);
        }
        if (e.below) check(*e.below);
      }
    };
    for (const tree_root& root : page_tree(t.machine(), a, {})) check(root.table);
  }
}

// JSON has all of it, and is one document however it was written.
TEST_F(shown, as_json) {
  const boost::json::value range = document({.steps = "592-595"});
  EXPECT_EQ(range.at("size").as_int64(), 702);
  const auto& steps = range.at("steps").as_array();
  ASSERT_EQ(steps.size(), 4u);
  EXPECT_EQ(steps[3].at("act").at("hypercall").as_string(), "mmu_update");
  EXPECT_EQ(steps[3].at("callers").as_array()[4].as_string(), "move_page_tables");
  const boost::json::value tree = document({.steps = "592", .va = 0x200000000000, .tree = true});
  const auto& root = tree.at("steps").as_array()[0].at("tree").as_array()[0];
  EXPECT_EQ(root.at("held_by").as_array()[0].as_string(), "CR3 of d0v0");
  EXPECT_EQ(root.at("table").at("entries").as_array()[0].at("slot").as_int64(), 64);
  EXPECT_TRUE(document({.mfn = mfn_t{0x200}}).at("steps").as_array().empty());
}

struct wrong_steps {
  std::string given;
  std::string said;
};
class wrong : public testing::TestWithParam<wrong_steps> {};

// Steps that are not there are told with those that are.
TEST_P(wrong, steps_are_told) {
  try {
    parse_steps(GetParam().given, 702, false);
    FAIL() << GetParam().given;
  } catch (const input_error& e) {
    EXPECT_THAT(e.what(), HasSubstr(GetParam().said));
  }
}

INSTANTIATE_TEST_SUITE_P(show, wrong,
                         testing::Values(wrong_steps{"0", "has steps 1 to 702"}, wrong_steps{"703", "1 to 702"},
                                         wrong_steps{"5-703", "1 to 702"}, wrong_steps{"7-5", "is expected"},
                                         wrong_steps{"x", "is expected"}, wrong_steps{"-", "is expected"},
                                         wrong_steps{"1-", "is expected"}, wrong_steps{"99999999999999999999", "is"}));

// … and those that are there are found.
TEST(steps, are_numbers_ranges_or_the_last) {
  const auto is = [](const std::string& text, u64 first, u64 last) {
    const step_range r = parse_steps(text, 702, false);
    return r.first == first && r.last == last;
  };
  EXPECT_TRUE(is("", 1, 702) && is("51", 51, 51) && is("last", 702, 702) && is("40-60", 40, 60) &&
              is("700-last", 700, 702));
  EXPECT_EQ(parse_steps("0", 702, true).last, 0u);
  EXPECT_THROW(parse_steps("1", 0, false), input_error);
}

// What is asked for out of order is the same as in order.
TEST(timeline_steps, are_the_same_from_wherever_they_are_asked) {
  timeline t = timeline::open(move_8m, false);
  timeline_steps steps(t);
  ASSERT_EQ(steps.size(), 702u);
  const auto text = [&](std::size_t place) {
    std::string all;
    for (const text_line& l : steps.facts(place).full) all += l.text;
    return all;
  };
  const std::string later = text(600), first = text(0);
  timeline u = timeline::open(move_8m, false);
  timeline_steps again(u);
  for (std::size_t place = 0; place < 702; ++place) again.facts(place);
  std::string in_order;
  for (const text_line& l : again.facts(600).full) in_order += l.text;
  EXPECT_EQ(later, in_order);
  EXPECT_EQ(first, text(0));
  EXPECT_EQ(steps.place_of(592), 591u);
  EXPECT_EQ(steps.place_of(703), std::nullopt);
}

}  // namespace
}  // namespace pvmmu::tools
