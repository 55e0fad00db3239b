// What is taken for a kernel, and what it calls itself.

#include "tools/lab/linux_image.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "proto/abi/types.h"
#include "tools/lab/lab_error.h"

namespace pvmmu::lab {
namespace {

class linux_image_test : public testing::Test {
 protected:
  ~linux_image_test() override { std::filesystem::remove(file_); }

  linux_image image_of(const std::string& bytes) {
    std::ofstream{file_, std::ios::binary} << bytes;
    return find_linux(file_.string());
  }

 private:
  std::filesystem::path file_ =
      std::filesystem::temp_directory_path() / ("linux_image_test." + std::to_string(getpid()));
};

std::string bzimage(u16 version_at, const std::string& version) {
  std::string bytes(0x400, '\0');
  bytes.replace(0x202, 4, "HdrS");
  bytes.replace(0x20e, 2, reinterpret_cast<const char*>(&version_at), 2);
  return bytes + version;
}

// A bzImage's header leads to its version; where it leads beyond the file, there is none.
TEST_F(linux_image_test, bzimage) {
  EXPECT_EQ(image_of(bzimage(0x200, std::string("6.1.0-56-amd64 #1 SMP\0more", 26))).release, "6.1.0-56-amd64 #1 SMP");
  EXPECT_EQ(image_of(bzimage(0xffff, "6.1")).release, "");
}

// An ELF file has a banner, and formats that begin as it does.
TEST_F(linux_image_test, elf) {
  const std::string magic =
      "\x7f"
      "ELF";
  EXPECT_EQ(image_of(magic + "Linux version %s (%s)\nLinux version 6.1.192 (gcc)\n").release, "6.1.192 (gcc)");
  EXPECT_EQ(image_of(magic).release, "");
}

// Neither a file nor a series, a file that is no kernel, and a series that Debian does not have are the user's
// mistakes.
TEST_F(linux_image_test, no_kernels) {
  EXPECT_THROW(find_linux("/nowhere/vmlinuz"), lab_input_error);
  EXPECT_THROW(find_linux(""), lab_input_error);
  EXPECT_THROW(find_linux("6.1.x"), lab_input_error);
  EXPECT_THROW(image_of(""), lab_input_error);
  EXPECT_THROW(image_of("#!/bin/sh\n"), lab_input_error);
}

}  // namespace
}  // namespace pvmmu::lab
