// What is put into an initrd, read back; a real kernel judges it in real_linux.

#include "tools/lab/initrd.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "proto/abi/types.h"
#include "tools/lab/lab_error.h"

namespace pvmmu::lab {
namespace {

using testing::HasSubstr;

struct entry {
  std::string name;
  u64 mode = 0;
  std::string bytes;
};

/// The n-th number of a header: eight digits each, after the magic.
u64 number(const std::string& archive, std::size_t header, std::size_t n) {
  return std::strtoull(archive.substr(header + 6 + n * 8, 8).c_str(), nullptr, 16);
}

std::vector<entry> entries_of(const std::string& archive) {
  std::vector<entry> all;
  for (std::size_t at = 0; at < archive.size();) {
    EXPECT_EQ(archive.substr(at, 6), "070701");
    const std::size_t name = at + 110;
    const std::size_t bytes = (name + number(archive, at, 11) + 3) / 4 * 4;
    all.push_back({archive.c_str() + name, number(archive, at, 1), archive.substr(bytes, number(archive, at, 6))});
    at = (bytes + number(archive, at, 6) + 3) / 4 * 4;
  }
  return all;
}

class initrd : public testing::Test {
 protected:
  ~initrd() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path file(const std::string& name, const std::string& bytes) {
    std::filesystem::create_directories((folder_ / name).parent_path());
    std::ofstream{folder_ / name, std::ios::binary} << bytes;
    return folder_ / name;
  }
  std::string failure(const std::vector<std::filesystem::path>& programs) {
    try {
      make_initrd(file("busybox", "#!"), programs);
    } catch (const lab_input_error& e) {
      return e.what();
    }
    return "none";
  }

 private:
  std::filesystem::path folder_ = std::filesystem::temp_directory_path() / ("initrd_test." + std::to_string(getpid()));
};

// Folders come before what is in them, programs keep name and bytes, whatever their length, and the end is marked.
TEST_F(initrd, holds_the_programs) {
  const std::string script = "#!/bin/sh\necho 1\n";
  const auto all = entries_of(make_initrd(file("busybox", "#!box"), {file("x/one", script), PVMMU_PROBE}));
  ASSERT_EQ(all.size(), 10u);
  EXPECT_EQ(all[0].name, "bin");
  EXPECT_EQ(all[0].mode, 0040755u);
  EXPECT_EQ(all[5].name, "init");
  EXPECT_THAT(all[5].bytes, HasSubstr("\necho INIT UP\n"));
  EXPECT_EQ(all[6].bytes, "#!box");
  EXPECT_EQ(all[7].name, "bin/one");
  EXPECT_EQ(all[7].mode, 0100755u);
  EXPECT_EQ(all[7].bytes, script);
  EXPECT_EQ(all[8].name, "bin/conformance_probe");
  EXPECT_EQ(all[8].bytes.size(), std::filesystem::file_size(PVMMU_PROBE));
  EXPECT_EQ(all[9].name, "TRAILER!!!");
}

// What would not run there is refused: libraries are not there, nor is another processor.
TEST_F(initrd, refuses_what_would_not_run) {
  EXPECT_THAT(failure({"/proc/self/exe"}), HasSubstr("/proc/self/exe: a static program is expected"));
  EXPECT_THAT(failure({file("text", "hello")}), HasSubstr("a program for x86-64 or a script is expected"));
  EXPECT_THAT(failure({file("empty", "")}), HasSubstr("cannot be read, or is empty"));
  EXPECT_THAT(failure({"/nowhere/program"}), HasSubstr("/nowhere/program: cannot be read"));
  const auto one = file("a/one", "#!");
  EXPECT_THAT(failure({one, file("b/one", "#!")}), HasSubstr("there is a program one already"));
  EXPECT_THAT(failure({file("c/busybox", "#!")}), HasSubstr("there is a program busybox already"));
}

}  // namespace
}  // namespace pvmmu::lab
