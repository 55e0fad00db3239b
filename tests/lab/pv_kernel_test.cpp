// What is read of a kernel before Xen gets it, and what is refused.

#include "tools/lab/pv_kernel.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tools/lab/lab_error.h"

namespace pvmmu::lab {
namespace {

class pv_kernel_test : public testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove(elf); }

  /// The probe, cut after `bytes`.
  std::filesystem::path cut_probe(std::uintmax_t bytes) const {
    std::filesystem::copy_file(PVMMU_PROBE, elf, std::filesystem::copy_options::overwrite_existing);
    std::filesystem::resize_file(elf, bytes);
    return elf;
  }

  std::filesystem::path elf = std::filesystem::path{testing::TempDir()} / "pvmmu-cut-probe";
};

// The probe's image begins a page after its virt_base and has the room for its results.
TEST_F(pv_kernel_test, the_probe) {
  const pv_kernel kernel = read_pv_kernel(PVMMU_PROBE);
  EXPECT_EQ(kernel.virt_base, 0xffffffff80000000);
  EXPECT_GT(kernel.pages, (u64{48} << 20) / 4096);
  EXPECT_LT(kernel.pages, (u64{64} << 20) / 4096);
}

// A file that is not there, is empty, ends in its headers or before its notes is refused, never read beyond.
TEST_F(pv_kernel_test, no_kernels) {
  EXPECT_THROW(read_pv_kernel("/nowhere/kernel"), lab_error);
  for (const std::uintmax_t bytes : {0u, 63u, 64u, 100u, 0x1000u})
    EXPECT_THROW(read_pv_kernel(cut_probe(bytes)), lab_error);
}

}  // namespace
}  // namespace pvmmu::lab
