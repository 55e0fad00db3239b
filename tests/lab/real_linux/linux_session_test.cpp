// Debian's Linux as dom0 of the real Xen: it comes up, runs a line and says how it ended; and where it does not, what
// is told. A boot each, of about ten seconds.

#include "tools/lab/linux_session.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "tools/lab/cpio_archive.h"
#include "tools/lab/initrd.h"
#include "tools/lab/lab_error.h"
#include "tools/lab/linux_image.h"

namespace pvmmu::lab {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using namespace std::chrono_literals;

class real_linux : public testing::Test {
 protected:
  ~real_linux() override { std::filesystem::remove(initrd); }

  void write_initrd(const std::string& archive) const { std::ofstream{initrd, std::ios::binary} << archive; }

  linux_boot boot(const std::string& kernel) const {
    return {.kernel = kernel.empty() ? "" : find_linux(kernel).file, .initrd = initrd};
  }

  /// Why a guest does not come up.
  std::string failure(const linux_boot& boot) {
    shared_memory ram{"ram", boot.megabytes << 20};
    try {
      linux_session{boot, fetch_xen(), ram}.wait_until_up(100s);
    } catch (const lab_error& e) {
      return e.what();
    }
    return "none";
  }

  std::filesystem::path initrd = std::filesystem::temp_directory_path() / ("real_linux." + std::to_string(getpid()));
};

// Two processors, lines one after the other with their status, the kernel's symbols; and a line without an end does not
// last longer than it may.
TEST_F(real_linux, runs_lines) {
  write_initrd(make_initrd(fetch_busybox(), {}));
  linux_boot two = boot("6.12");
  two.vcpus = 2;
  shared_memory ram{"ram", two.megabytes << 20};
  linux_session session{two, fetch_xen(), ram};
  session.wait_until_up(100s);
  session.run("nproc; exit 3");
  EXPECT_EQ(session.wait_until_done(20s), 3);
  EXPECT_THAT(session.output(), ElementsAre("2"));
  const std::string print = "printf %s ";
  const std::string count = "|wc -c";
  const std::size_t rest = 127 - print.size() - count.size();
  session.run(print + std::string(rest, 'x') + count);
  EXPECT_EQ(session.wait_until_done(20s), 0);
  EXPECT_THAT(session.output(), ElementsAre(std::to_string(rest)));
  EXPECT_THROW(session.run(std::string(128, 'x')), lab_input_error);
  EXPECT_THROW(session.run("true\ntrue"), lab_input_error);
  const std::vector<std::string> symbols = session.read_kallsyms(100s);
  EXPECT_GT(symbols.size(), 40'000u);
  EXPECT_TRUE(std::ranges::any_of(symbols, [](const auto& line) { return line.ends_with(" t xen_set_pmd"); }));
  session.run("while true; do :; done");
  try {
    session.wait_until_done(2s);
    FAIL() << "it ended";
  } catch (const lab_error& e) {
    EXPECT_THAT(e.what(),
                AllOf(HasSubstr("waiting for WORK DONE: 2 s were not enough"), HasSubstr("  while true; do")));
  }
}

// An /init that ends takes the kernel with it.
TEST_F(real_linux, whose_init_dies) {
  cpio_archive archive;
  archive.add_folder("bin");
  archive.add_folder("dev");
  archive.add_character_device("dev/console", 5, 1);
  std::ifstream busybox{fetch_busybox(), std::ios::binary};
  archive.add_program("bin/busybox", std::string{std::istreambuf_iterator<char>{busybox}, {}});
  archive.add_program("init", "#!/bin/busybox sh\necho going\nexit 3\n");
  write_initrd(archive.finish());
  EXPECT_THAT(failure(boot("6.1")),
              AllOf(HasSubstr("waiting for INIT UP: /init has ended, and the kernel with it: "),
                    HasSubstr("Attempted to kill init! exitcode=0x00000300"), HasSubstr("Hardware Dom0 crashed")));
}

// A program that is no kernel for Xen is refused by Xen itself.
TEST_F(real_linux, that_is_no_pv_kernel) {
  write_initrd(make_initrd(fetch_busybox(), {}));
  EXPECT_THAT(failure(boot(fetch_busybox().string())), HasSubstr("Xen cannot make a PV domain of this kernel"));
}

// A kernel that finds no memory for itself dies before it can say why.
TEST_F(real_linux, that_dies_early) {
  write_initrd(make_initrd(fetch_busybox(), {}));
  linux_boot small = boot("6.1");
  small.arguments = "mem=20M";
  EXPECT_THAT(failure(small), HasSubstr("the guest has died: (XEN) Hardware Dom0 halted"));
}

// Files that are not there are told before anything boots.
TEST_F(real_linux, without_files) {
  linux_boot none = boot("6.1");
  EXPECT_THAT(failure(none), HasSubstr(initrd.string() + ": cannot be read: No such file or directory"));
  none.kernel = "/nowhere/vmlinuz";
  EXPECT_THAT(failure(none), HasSubstr("/nowhere/vmlinuz: cannot be read"));
}

}  // namespace
}  // namespace pvmmu::lab
