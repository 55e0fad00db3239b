#include "tools/show/browser.h"

#include <gmock/gmock.h>

#include "tools/command.h"
#include "tools/show/columns.h"

namespace pvmmu::tools {
namespace {

using name = key_press::name;
using testing::HasSubstr;

/// Steps that say what the test wants. Every tenth begins a step of a scenario, every 25th fails with a message.
class told_steps : public step_source {
 public:
  explicit told_steps(std::size_t count) {
    for (u64 number = 1; number <= count; ++number) {
      step_facts f{.number = number, .line = {line_role::plain, 0, fmt::format("{}  call", number)}};
      f.full.push_back({line_role::call, 2, fmt::format("the call of step {}", number)});
      for (int i = 0; i < 40; ++i) f.full.push_back({line_role::change, 4, fmt::format("change {} of {}", i, number)});
      f.frames = {number / 7, 0x1000};
      f.silent = number > 500 && number < 700;
      f.begins_step = number % 10 == 0;
      f.failed = number % 25 == 0;
      if (f.failed) f.messages.push_back({line_role::message, 4, fmt::format("(XEN) Bad number {}", number)});
      facts_.push_back(std::move(f));
    }
  }
  std::size_t size() const override { return facts_.size(); }
  const step_facts& facts(std::size_t place) override { return facts_.at(place); }
  text_block tree(std::size_t place) override {
    text_block lines(100, {line_role::plain, 0, "a table"});
    lines[50] = {line_role::change, 0, fmt::format("* changed by {}", place + 1)};
    return lines;
  }
  text_block why(std::size_t place, mfn_t mfn) override {
    if (mfn.n > 0x2000) throw input_error("no such frame");
    return {{line_role::heading, 0, fmt::format("mfn {:#x} behind step {}: held", mfn.n, place + 1)}};
  }
  std::optional<std::size_t> place_of(u64 number) const override {
    return number >= 1 && number <= size() ? std::optional(static_cast<std::size_t>(number - 1)) : std::nullopt;
  }

 private:
  std::vector<step_facts> facts_;
};

class looking : public testing::Test {
 protected:
  void keys(const std::string& text) {
    for (const char c : text) press(c == '\n' ? key_press{name::enter} : key_press::of(c));
  }
  void press(key_press key) {
    b.press(key, size);
    while (b.searching()) b.search_on();
  }
  void press(name key) { press(key_press{key}); }
  u64 number() const { return b.place() + 1; }
  std::string seen() {
    std::string text;
    for (const screen_line& l : b.draw(size).lines) text += l.text + "\n";
    return text;
  }

  screen_size size{80, 24};
  told_steps steps{1000};
  browser b{"a.rec", steps};
};

// Who holds the frame at hand is below; without one it is asked for. Whoever goes on sees steps again.
TEST_F(looking, says_why) {
  keys("w1000\n");
  EXPECT_THAT(seen(), HasSubstr("mfn 0x1000 behind step 1: held"));
  EXPECT_THAT(seen(), HasSubstr("step 1 of 1000: who holds the frame behind it"));
  keys("j");
  EXPECT_THAT(seen(), HasSubstr("the call of step 2"));
  keys("w");
  EXPECT_THAT(seen(), HasSubstr("mfn 0x1000 behind step 2: held"));
  keys("w");
  EXPECT_THAT(seen(), HasSubstr("the call of step 2"));
  keys("W7\n");
  EXPECT_THAT(seen(), HasSubstr("mfn 0x7 behind step 2: held"));
  keys("W9999\n");
  EXPECT_THAT(seen(), HasSubstr("no such frame"));
}

// Forward and back by one, by a page, to either end, and no further.
TEST_F(looking, goes_forward_and_back) {
  keys("jjl");
  press(name::down);
  EXPECT_EQ(number(), 5u);
  keys("k");
  press(name::left);
  EXPECT_EQ(number(), 3u);
  press(name::page_down);
  EXPECT_GT(number(), 8u);
  press(name::page_up);
  EXPECT_EQ(number(), 3u);
  press(name::end);
  keys("jj");
  EXPECT_EQ(number(), 1000u);
  press(name::home);
  keys("kk");
  EXPECT_EQ(number(), 1u);
}

// What Xen saw nothing of is passed over, unless one goes step by step.
TEST_F(looking, passes_over_what_xen_did_not_see) {
  keys("g500\nj");
  EXPECT_EQ(number(), 700u);
  keys("k");
  EXPECT_EQ(number(), 500u);
  keys("l");
  EXPECT_EQ(number(), 501u);
  press(name::left);
  EXPECT_EQ(number(), 500u);
}

// A step by its number; what is no step is told, and nothing moves.
TEST_F(looking, goes_to_a_step) {
  keys("g517\n");
  EXPECT_EQ(number(), 517u);
  EXPECT_THAT(seen(), HasSubstr("the call of step 517"));
  keys("g1001\n");
  EXPECT_THAT(seen(), HasSubstr("there is no step 1001: there are 1 to 1000"));
  keys("gabc\n");
  EXPECT_THAT(seen(), HasSubstr("abc: the number of a step is expected"));
  keys("g99");
  press(name::backspace);
  EXPECT_THAT(seen(), HasSubstr("step: 9\n"));
  press(name::escape);
  EXPECT_EQ(number(), 517u);
}

// Steps of one kind are found in both directions, across many others, and where there are no more of them it says so.
TEST_F(looking, finds_the_next_of_a_kind) {
  keys("f");
  EXPECT_EQ(number(), 25u);
  EXPECT_THAT(seen(), HasSubstr("(XEN) Bad number 25"));
  keys("x");
  EXPECT_EQ(number(), 50u);
  keys("s");
  EXPECT_EQ(number(), 60u);
  keys("FF");
  EXPECT_EQ(number(), 25u);
  keys("X");
  EXPECT_EQ(number(), 25u);
  EXPECT_THAT(seen(), HasSubstr("no message before this one"));
}

// A frame is asked for once.
TEST_F(looking, follows_a_frame) {
  keys("m64\n");
  EXPECT_EQ(number(), 700u);
  keys("c");
  EXPECT_EQ(number(), 701u);
  keys("CC");
  EXPECT_EQ(number(), 700u) << "the first";
  keys("m0x8\n");
  EXPECT_THAT(seen(), HasSubstr("no step that touches mfn 0x8 behind this one"));
  keys("mxyz\n");
  EXPECT_THAT(seen(), HasSubstr("xyz: the hexadecimal number of a frame is expected"));
}

// Text is found wherever it stands, in capitals or not, and again with n and N.
TEST_F(looking, searches_for_text) {
  keys("/BAD NUMBER\n");
  EXPECT_EQ(number(), 25u);
  keys("n");
  EXPECT_EQ(number(), 50u);
  keys("N");
  EXPECT_EQ(number(), 25u);
  keys("/change 39 of 900\n");
  EXPECT_EQ(number(), 900u);
}

// A long search goes stretch by stretch, and any key ends it where it began.
TEST_F(looking, can_end_a_search) {
  for (const char c : std::string("/of 900")) b.press(key_press::of(c), size);
  b.press({name::enter}, size);
  ASSERT_TRUE(b.searching());
  b.search_on();
  EXPECT_THAT(seen(), HasSubstr("any key ends it"));
  b.press(key_press::of('j'), size);
  EXPECT_FALSE(b.searching());
  EXPECT_EQ(number(), 1u);
}

// The tree opens at what the step changed, goes with the steps, and t brings the step back.
TEST_F(looking, shows_the_tree_where_it_changed) {
  keys("t");
  EXPECT_THAT(seen(), HasSubstr("* changed by 1\n"));
  keys("j");
  EXPECT_THAT(seen(), HasSubstr("* changed by 2\n"));
  keys("t");
  EXPECT_THAT(seen(), HasSubstr("the call of step 2"));
}

// What is longer than its part of the screen can be scrolled to its end, and not beyond.
TEST_F(looking, scrolls) {
  EXPECT_THAT(seen(), testing::Not(HasSubstr("change 39 of 1\n")));
  keys("          ");
  EXPECT_THAT(seen(), HasSubstr("change 39 of 1\n"));
  keys("K");
  EXPECT_THAT(seen(), testing::Not(HasSubstr("change 39 of 1\n"))) << "a line less";
  keys("bbbbbbbbb");
  EXPECT_THAT(seen(), HasSubstr("the call of step 1\n"));
}

// ? lists every key there is, and a key that does nothing says where they are listed.
TEST_F(looking, helps) {
  size = {100, 50};
  keys("?");
  for (const char* key : {"g ", "t ", "m ", "c C", "x X", "f F", "s S", "/ ", "n N", "PgDn", "Esc", "q"})
    EXPECT_THAT(seen(), HasSubstr(key));
  keys("?z");
  EXPECT_THAT(seen(), HasSubstr("z does nothing; ? lists the keys"));
  EXPECT_FALSE(b.over());
  keys("q");
  EXPECT_TRUE(b.over());
}

// Whatever the size, and wherever one is, the screen is filled and not overfilled, and the current step is to be seen.
TEST_F(looking, fits_every_size) {
  for (const char* at : {"<", "g25\n", "t", "?", "?", ">"}) {
    keys(at);
    for (size.rows = 1; size.rows < 60; size.rows += 3) {
      for (size.columns = 1; size.columns < 200; size.columns += 17) {
        const screen s = b.draw(size);
        ASSERT_EQ(s.lines.size(), size.rows);
        for (const screen_line& l : s.lines) ASSERT_LE(columns_of(l.text), size.columns) << l.text;
        const auto current = std::ranges::count_if(s.lines, [&](const screen_line& l) {
          return l.reversed && l.text.find(fmt::format("{}  call", number())) != std::string::npos;
        });
        if (size.rows > 4 && size.columns > 12) {
          ASSERT_EQ(current, 1) << size.rows << " x " << size.columns;
        }
      }
    }
  }
}

}  // namespace
}  // namespace pvmmu::tools
