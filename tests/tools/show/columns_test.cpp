#include "tools/show/columns.h"

#include <gmock/gmock.h>

namespace pvmmu::tools {
namespace {

// An arrow is one column, however many bytes it has; what is too long says so by its last character.
TEST(columns, are_counted_by_character) {
  EXPECT_EQ(columns_of("1→2"), 3u);
  EXPECT_EQ(cut("count 1→2", 9), "count 1→2");
  EXPECT_EQ(cut("count 1→2 ", 9), "count 1→…");
  EXPECT_EQ(cut("abc", 0), "");
  EXPECT_EQ(padded("→", 3), "→  ");
}

// No line is longer than the screen is wide, at any width, and no word is lost.
TEST(columns, hold_every_line) {
  const text_block lines{{line_role::change, 4, "L2 mfn 0x233[0]  mfn 0x23a P|RW|US|A|D → 0"},
                         {line_role::plain, 90, "far in"},
                         {line_role::plain, 0, ""}};
  for (std::size_t columns = 1; columns < 60; ++columns) {
    std::string all;
    for (const text_line& l : wrapped(lines, columns)) {
      EXPECT_LE(l.indent + columns_of(l.text), columns);
      all += l.text;
    }
    std::erase(all, ' ');
    EXPECT_EQ(all, "L2mfn0x233[0]mfn0x23aP|RW|US|A|D→0farin") << columns;
  }
  EXPECT_EQ(wrapped(lines, 30)[1].indent, 6u) << "what goes on stands further in";
}

// A recording's words cannot steer the terminal that shows them.
TEST(columns, have_no_control_characters) {
  const text_block clean = printable({{line_role::plain, 0, "a\x1b[2Jb\x07\x7f→\xc2\x9b\xc3\xa4"}});
  EXPECT_EQ(clean[0].text, "a?[2Jb??→?\xc3\xa4");
}

}  // namespace
}  // namespace pvmmu::tools
