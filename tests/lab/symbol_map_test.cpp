// Xen's map of symbols, both ways.

#include "tools/lab/symbol_map.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "tools/lab/lab_error.h"

namespace pvmmu::lab {
namespace {

class symbols : public testing::Test {
 protected:
  ~symbols() override { std::filesystem::remove(file_); }

  symbol_map map_of(const std::string& lines) {
    std::ofstream{file_} << lines;
    return symbol_map{file_};
  }

 private:
  std::filesystem::path file_ =
      std::filesystem::temp_directory_path() / ("symbol_map_test." + std::to_string(getpid()));
};

// A symbol has an address, and every address from there to the next symbol is called after it; of symbols at the same
// address the first gives the name.
TEST_F(symbols, have_addresses_and_names) {
  const symbol_map map = map_of(
      "0xffff82d040200000 T _stext\n"
      "0xffff82d040200000 T start\n"
      "0xffff82d040200100 t arch/x86/mm.c#get_page_light\n");
  EXPECT_EQ(map.address("start"), 0xffff82d040200000);
  EXPECT_EQ(map.name(0xffff82d040200000), "_stext");
  EXPECT_EQ(map.name(0xffff82d0402000ff), "_stext+0xff");
  EXPECT_EQ(map.name(map.address("arch/x86/mm.c#get_page_light") + 8), "arch/x86/mm.c#get_page_light+0x8");
  EXPECT_EQ(map.name(0x1000), "0x1000");
}

// A symbol that is not there is an error with its name, and a file that is no map is one with its own.
TEST_F(symbols, that_are_missing) {
  EXPECT_THROW(map_of("0x1000 T _stext\n").address("do_mmu_update"), lab_error);
  EXPECT_THROW(map_of("no map\n"), lab_error);
}

}  // namespace
}  // namespace pvmmu::lab
