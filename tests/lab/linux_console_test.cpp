// A guest that lives, dies or says nothing, at a console without a machine. What the dying say was said by the real Xen
// and by Debian's Linux 6.1 on it.

#include "tools/lab/linux_console.h"

#include <gmock/gmock.h>

#include <deque>

#include "tools/lab/lab_error.h"

namespace pvmmu::lab {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using namespace std::chrono_literals;

/// Says what it was given; then nothing more, or it is gone.
class fake_console : public console {
 public:
  enum class then { silent, gone };
  fake_console(std::deque<std::string> lines, then after) : lines_(std::move(lines)), after_(after) {}

  std::optional<std::string> next_line(const deadline&) override {
    if (lines_.empty()) return std::nullopt;
    std::string line = std::move(lines_.front());
    lines_.pop_front();
    return line;
  }
  void type(const std::string&) override {}
  bool ended() const override { return lines_.empty() && after_ == then::gone; }
  std::string complaints() override { return "qemu: no room"; }

 private:
  std::deque<std::string> lines_;
  then after_;
};

using then = fake_console::then;

/// Why WORK DONE will never come.
std::string failure(std::deque<std::string> lines, then after = then::silent) {
  fake_console port{std::move(lines), after};
  linux_console console{port};
  try {
    console.wait_for("WORK DONE", 7s);
  } catch (const lab_error& e) {
    return e.what();
  }
  return "none";
}

// A line is found in the middle of what else is on it, and what came before it is remembered.
TEST(linux_console, finds_a_line) {
  fake_console port{{"(XEN) Freed 656kB init memory", "[    1.0] sdINIT UP", "# "}, then::silent};
  linux_console console{port};
  EXPECT_EQ(console.wait_for("INIT UP", 7s), "INIT UP");
  EXPECT_THAT(console.lines(), ElementsAre("(XEN) Freed 656kB init memory", "[    1.0] sdINIT UP"));
}

// What is read up to a line comes back without it, and is not kept; a line that only contains it is not the end.
TEST(linux_console, reads_up_to_a_line) {
  fake_console port{{"a", "no END yet", "END", "c"}, then::silent};
  linux_console console{port};
  EXPECT_THAT(console.read_until("END", 7s), ElementsAre("a", "no END yet"));
  EXPECT_TRUE(console.lines().empty());
}

// Whoever dies is quoted, with what was said last; the line that tells most is chosen, whichever came first.
TEST(linux_console, tells_why_a_guest_has_died) {
  EXPECT_THAT(failure({"(XEN) ****************************************", "(XEN) Panic on CPU 0:",
                       "(XEN) Domain 0 allocation is too small for kernel image", "(XEN) Manual reset required"}),
              AllOf(HasSubstr("waiting for WORK DONE: Xen panicked: (XEN) Domain 0 allocation is too small"),
                    HasSubstr("  (XEN) Manual reset required")));
  EXPECT_THAT(failure({"(XEN) Panic on CPU 0:", "(XEN) Could not construct domain 0"}),
              HasSubstr("Xen cannot make a PV domain of this kernel"));
  EXPECT_THAT(failure({"[    5.2] Kernel panic - not syncing: sysrq triggered crash",
                       "[    5.3] Call Trace:", "(XEN) Hardware Dom0 crashed: 'noreboot' set - not rebooting."}),
              AllOf(HasSubstr("the kernel panicked: [    5.2] Kernel panic - not syncing: sysrq triggered crash"),
                    HasSubstr("  (XEN) Hardware Dom0 crashed")));
  EXPECT_THAT(failure({"[    4.1] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000300"}),
              HasSubstr("/init has ended, and the kernel with it"));
  EXPECT_THAT(failure({"(XEN) Domain 0 (vcpu#0) crashed on cpu#0:", "(XEN) Hardware Dom0 crashed: rebooting machine"}),
              HasSubstr("Xen has crashed the guest: (XEN) Domain 0 (vcpu#0) crashed on cpu#0:"));
  EXPECT_THAT(failure({"(XEN) Hardware Dom0 halted: halting machine"}), HasSubstr("the guest has died"));
  EXPECT_THAT(failure({"[    5.2] reboot: Power down"}, then::gone), HasSubstr("the guest has turned the machine off"));
}

// A QEMU that is gone and a time that is over are told apart.
TEST(linux_console, tells_an_end_from_a_wait) {
  EXPECT_THAT(failure({"INIT UP"}, then::gone), HasSubstr("QEMU ended by itself. qemu: no room"));
  EXPECT_THAT(failure({"INIT UP"}), HasSubstr("waiting for WORK DONE: 7 s were not enough"));
}

// Of much that was said, only the end is shown.
TEST(linux_console, shows_the_last_lines) {
  std::deque<std::string> lines;
  for (int i = 100; i < 200; ++i) lines.push_back(std::to_string(i));
  EXPECT_THAT(failure(lines), AllOf(HasSubstr("  175\n"), Not(HasSubstr("174"))));
}

}  // namespace
}  // namespace pvmmu::lab
