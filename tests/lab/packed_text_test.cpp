// Text packed by the tools that a guest has.

#include "tools/lab/packed_text.h"

#include <gtest/gtest.h>

#include <sstream>

#include "tools/lab/lab_error.h"
#include "tools/lab/process.h"

namespace pvmmu::lab {
namespace {

std::vector<std::string> packed(const std::string& command) {
  std::istringstream text{run_command({"sh", "-c", command + " | gzip -c | base64"}).text};
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

// Any length comes back as it was, whatever it leaves over of base64's last digits, and longer than zlib's chunks.
TEST(packed_text, comes_back) {
  EXPECT_EQ(unpack_text(packed("printf ''")), "");
  for (const char* text : {"a", "ab", "abc", "abcd"})
    EXPECT_EQ(unpack_text(packed(std::string("printf ") + text)), text);
  EXPECT_EQ(unpack_text(packed("seq 1 50000")), run_command({"seq", "1", "50000"}).text);
}

// A line lost, a letter changed and foreign letters are errors, never other text.
TEST(packed_text, that_was_changed) {
  const std::vector<std::string> whole = packed("seq 1 2000");
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::vector<std::string> lines = whole;
    lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_THROW(unpack_text(lines), lab_error) << "without line " << i;
  }
  std::vector<std::string> changed = whole;
  char& letter = changed[5][7];
  letter = letter == 'A' ? 'B' : 'A';
  EXPECT_THROW(unpack_text(changed), lab_error);
  changed[5] = "(XEN) *** message ***";
  EXPECT_THROW(unpack_text(changed), lab_error);
  EXPECT_THROW(unpack_text({}), lab_error);
}

}  // namespace
}  // namespace pvmmu::lab
