// A kernel's functions, from its list of symbols.

#include "tools/lab/kernel_symbols.h"

#include <gtest/gtest.h>

#include <vector>

namespace pvmmu::lab {
namespace {

const std::vector<std::string> lines{
    "ffffffff81000000 T first",          "ffffffff81000000 t alias_of_first",      "ffffffff81000100 t second.isra.0",
    "ffffffff81000180 D not_a_function", "ffffffffc0000000 t in_module\t[module]", "no line of symbols",
    "0000000000000000 T hidden"};

// An address belongs to the function that begins at or before it; what the compiler added to a name is cut off.
TEST(kernel_symbols, name_addresses) {
  const kernel_symbols symbols{lines};
  EXPECT_EQ(symbols.function(0xffffffff81000000)->name, "first");
  EXPECT_EQ(symbols.function(0xffffffff810000ff)->name, "first");
  EXPECT_EQ(symbols.function(0xffffffff81000190)->name, "second");
  EXPECT_EQ(symbols.function(0xffffffffc0000010)->name, "in_module");
}

// Addresses before all functions, and far behind the one before them, belong to none.
TEST(kernel_symbols, know_where_no_function_is) {
  const kernel_symbols symbols{lines};
  EXPECT_EQ(symbols.function(0xffffffff80ffffff), nullptr);
  EXPECT_EQ(symbols.function(0xffffffff90000000), nullptr);
  EXPECT_EQ(symbols.function(1), nullptr);
}

}  // namespace
}  // namespace pvmmu::lab
