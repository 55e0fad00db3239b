// The client of QEMU's gdb stub against a stub that errs in every way that a connection can.

#include "tools/lab/gdb_client.h"

#include <gtest/gtest.h>

#include <array>

#include "tests/lab/fake_gdb_stub.h"

namespace pvmmu::lab {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds short_patience{300};
constexpr const char* registers_at_1000 =
    "efbeaddeefbeadde"  // rax
    "02000000"          // eflags
    "0010000000000000"  // rip
    "00000000000000000000";

/// What a lab_error says; nothing if none is thrown.
template <class F>
std::string error_of(F f) {
  try {
    f();
    return "";
  } catch (const lab_error& e) {
    return e.what();
  }
}

testing::AssertionResult contains(const std::string& text, const std::string& part) {
  if (text.find(part) != std::string::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << '"' << text << "\" without \"" << part << '"';
}

// Registers are found by name, as the stub's own description lays them out, with their own widths.
TEST(gdb_client, reads_registers_by_name) {
  fake_gdb_stub stub{greeting() + says("g", registers_at_1000)};
  {
    gdb_client gdb{stub.socket()};
    const gdb_registers& now = gdb.registers();
    EXPECT_EQ(now["rax"], 0xdeadbeefdeadbeef);
    EXPECT_EQ(now["eflags"], 2u);
    EXPECT_EQ(now["rip"], 0x1000u);
    EXPECT_TRUE(contains(error_of([&] { (void)now["r99"]; }), "no register r99"));
    EXPECT_TRUE(contains(error_of([&] { (void)now["st0"]; }), "64 bits"));
  }
  EXPECT_EQ(stub.ended(), "");
}

// A register that the stub does not know at the moment is an error and no number; so are registers that are not those
// of the description.
TEST(gdb_client, does_not_invent_registers) {
  fake_gdb_stub stub{greeting() + says("g", std::string(16, 'x') + std::string(registers_at_1000).substr(16))};
  gdb_client gdb{stub.socket()};
  const gdb_registers& now = gdb.registers();
  EXPECT_TRUE(contains(error_of([&] { (void)now["rax"]; }), "rax"));
  EXPECT_EQ(now["eflags"], 2u);
  fake_gdb_stub other{greeting() + says("g", "02000000")};
  gdb_client second{other.socket()};
  EXPECT_TRUE(contains(error_of([&] { second.registers(); }), "of 30 bytes and sends 4"));
}

// Memory is read in parts that the stub can send, and in its own order of bytes.
TEST(gdb_client, reads_memory_in_parts) {
  fake_gdb_stub stub{greeting() + says("mffff82e000000000,80", std::string(256, '1')) +
                     says("mffff82e000000080,2", "beef") + says("m10,4", "78563412")};
  {
    gdb_client gdb{stub.socket()};
    std::array<u8, 130> bytes{};
    ASSERT_TRUE(gdb.read(0xffff82e000000000, bytes));
    EXPECT_EQ(bytes[127], 0x11);
    EXPECT_EQ(bytes[129], 0xef);
    EXPECT_EQ(gdb.get<u32>(0x10), 0x12345678u);
  }
  EXPECT_EQ(stub.ended(), "");
}

// Memory is written in parts as well, so that a packet with its head is not longer than the stub takes.
TEST(gdb_client, writes_memory_in_parts) {
  fake_gdb_stub stub{greeting() + says("M1000,6c:" + std::string(216, 'a'), "OK") + says("M106c,1:aa", "E0e")};
  {
    gdb_client gdb{stub.socket()};
    std::array<u8, 109> bytes{};
    bytes.fill(0xaa);
    const auto done = gdb.write(0x1000, bytes);
    ASSERT_FALSE(done);
    EXPECT_TRUE(contains(done.error(), "0x106c"));
  }
  EXPECT_EQ(stub.ended(), "");
}

// Where nothing is mapped the stub says so, and what it says is the reader's to judge; an answer that is not as long as
// asked, or no memory at all, is none.
TEST(gdb_client, tells_what_cannot_be_read) {
  fake_gdb_stub stub{greeting() + says("m10,2", "E14") + says("m10,2", "beefbe") + says("m10,2", "bexf") +
                     says("m10,8", "E14")};
  gdb_client gdb{stub.socket()};
  std::array<u8, 2> bytes{};
  EXPECT_TRUE(contains(gdb.read(0x10, bytes).error(), "E14"));
  EXPECT_FALSE(gdb.read(0x10, bytes));
  EXPECT_FALSE(gdb.read(0x10, bytes));
  EXPECT_TRUE(contains(error_of([&] { gdb.get<u64>(0x10); }), "0x10"));
}

// Addresses may name physical memory.
TEST(gdb_client, switches_to_physical_memory) {
  fake_gdb_stub stub{greeting() + says("Qqemu.PhyMemMode:1", "OK") + says("Qqemu.PhyMemMode:0", "")};
  gdb_client gdb{stub.socket()};
  gdb.use(gdb_addresses::physical_ones);
  EXPECT_TRUE(contains(error_of([&] { gdb.use(gdb_addresses::virtual_ones); }), "does not know"));
}

/// One processor's step with its breakpoint set aside.
exchanges steps() { return says("z0,1000,1", "OK") + says("vCont;s:02", "T05thread:02;") + says("Z0,1000,1", "OK"); }

// From a breakpoint the machine runs on in three steps: the breakpoint goes, the one processor steps, it comes back. A
// step that went nowhere is made again: else the same call would be seen twice.
TEST(gdb_client, runs_on_over_a_breakpoint) {
  const exchange runs_to_it{"c", {"+", gdb_framed("T05thread:02;")}};
  fake_gdb_stub stub{greeting() + says("Z0,1000,1", "OK") + says("g", std::string(60, '0')) + exchanges{runs_to_it} +
                     says("g", registers_at_1000) + steps() + says("g", registers_at_1000) + steps() +
                     says("g", std::string(60, '0')) + exchanges{{"c", {"+"}}} +
                     exchanges{{"\x03", {gdb_framed("T02thread:01;")}}}};
  {
    gdb_client gdb{stub.socket()};
    gdb.set_breakpoint(0x1000);
    gdb.cont();
    const auto stop = gdb.wait(deadline{short_patience});
    ASSERT_TRUE(stop);
    EXPECT_EQ(stop->signal, 5);
    EXPECT_EQ(stop->thread, "02");
    gdb.cont();
    EXPECT_FALSE(gdb.wait(deadline{milliseconds{20}})) << "it still runs";
    gdb.interrupt();
    EXPECT_EQ(gdb.wait(deadline{short_patience}).value().signal, 2);
  }
  EXPECT_EQ(stub.ended(), "");
}

// A packet that came damaged is asked for again, and it may come in pieces.
TEST(gdb_client, asks_again_for_a_damaged_packet) {
  fake_gdb_stub stub{greeting() + exchanges{{"m10,2", {"+$be", "ff#8e"}}, {"-", {"$b", "e", "e", "f#9", "2"}}}};
  {
    gdb_client gdb{stub.socket()};
    EXPECT_EQ(gdb.get<u16>(0x10), 0xefbe);
  }
  EXPECT_EQ(stub.ended(), "");
}

// What the stub did not understand is sent again.
TEST(gdb_client, sends_again_what_was_not_understood) {
  fake_gdb_stub stub{greeting() + exchanges{{"m10,2", {"-"}}} + says("m10,2", "beef")};
  {
    gdb_client gdb{stub.socket()};
    EXPECT_EQ(gdb.get<u16>(0x10), 0xefbe);
  }
  EXPECT_EQ(stub.ended(), "");
}

// A stub that never sends a whole packet, and one that never understands one, are given up.
TEST(gdb_client, gives_up_on_a_bad_line) {
  const exchange damaged{"-", {"$beef#00"}};
  fake_gdb_stub one{greeting() + exchanges{{"m10,2", {"$beef#00"}}, damaged, damaged, damaged, damaged}};
  gdb_client first{one.socket()};
  EXPECT_TRUE(contains(error_of([&] { first.get<u16>(0x10); }), "do not understand each other"));
  const exchange never{"m10,2", {"-"}};
  fake_gdb_stub other{greeting() + exchanges{never, never, never, never, never}};
  gdb_client second{other.socket()};
  EXPECT_TRUE(contains(error_of([&] { second.get<u16>(0x10); }), "$m10,2#"));
}

// Where the stub offers it nothing is acknowledged; then a damaged packet cannot come again.
TEST(gdb_client, does_without_acknowledgements) {
  exchanges start = greeting();
  start[0] = says("qSupported:vContSupported+", "PacketSize=100;QStartNoAckMode+")[0];
  start.insert(start.begin() + 1, says("QStartNoAckMode", "OK")[0]);
  fake_gdb_stub stub{start + exchanges{{"m10,2", {"$beef#92"}}, {"m10,2", {"$beef#00"}}}};
  {
    gdb_client gdb{stub.socket()};
    EXPECT_EQ(gdb.get<u16>(0x10), 0xefbe);
    EXPECT_TRUE(contains(error_of([&] { gdb.get<u16>(0x10); }), "damaged"));
  }
  EXPECT_EQ(stub.ended(), "");
}

// A stub that goes away is found at once, in a request and while the machine runs.
TEST(gdb_client, sees_that_the_stub_is_gone) {
  fake_gdb_stub one{greeting() + exchanges{{"g", {"+$00"}}}, true};
  gdb_client first{one.socket()};
  EXPECT_TRUE(contains(error_of([&] { first.registers(); }), "gone"));
  fake_gdb_stub other{greeting() + exchanges{{"c", {"+"}}}, true};
  gdb_client second{other.socket()};
  second.cont();
  EXPECT_TRUE(contains(error_of([&] { second.wait(deadline{std::chrono::seconds{20}}); }), "gone"));
}

// Silence ends with the deadline, and the error says which request it was: no answer, half of one, and no greeting.
TEST(gdb_client, does_not_wait_for_ever) {
  for (const char* answer : {"", "+", "+$00"}) {
    fake_gdb_stub stub{greeting() + exchanges{{"g", {answer}}}};
    gdb_client gdb{stub.socket(), short_patience};
    EXPECT_TRUE(contains(error_of([&] { gdb.registers(); }), "answer to g within 300 ms"));
  }
  fake_gdb_stub mute{{{"qSupported:vContSupported+", {}}}};
  EXPECT_TRUE(contains(error_of([&] { gdb_client{mute.socket(), short_patience}; }), "qSupported"));
}

// While the machine runs the stub may print for gdb's user; when the machine has ended, it says so.
TEST(gdb_client, takes_other_words_of_a_running_machine) {
  fake_gdb_stub stub{greeting() + exchanges{{"c", {"+", gdb_framed("O4869"), gdb_framed("W00")}}}};
  gdb_client gdb{stub.socket()};
  gdb.cont();
  EXPECT_TRUE(contains(error_of([&] { gdb.wait(deadline{short_patience}); }), "W00"));
}

// A description of registers that says nothing, or has no end, is an error.
TEST(gdb_client, checks_the_description_of_registers) {
  exchanges two = greeting();
  two.resize(2);
  fake_gdb_stub empty{two + says("qXfer:features:read:target.xml:0,80", "l<target/>")};
  EXPECT_TRUE(contains(error_of([&] { gdb_client{empty.socket()}; }), "no registers"));
  fake_gdb_stub endless{two + says("qXfer:features:read:target.xml:0,80", "m")};
  EXPECT_TRUE(contains(error_of([&] { gdb_client{endless.socket()}; }), "no end"));
  fake_gdb_stub refused{two + says("qXfer:features:read:target.xml:0,80", "E00")};
  EXPECT_TRUE(contains(error_of([&] { gdb_client{refused.socket()}; }), "target.xml"));
}

}  // namespace
}  // namespace pvmmu::lab
