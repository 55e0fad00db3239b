// gdb's packets as bytes: framed, torn, damaged, escaped, and with runs.

#include "tools/lab/gdb_packet.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <vector>

#include "tools/lab/lab_error.h"

namespace pvmmu::lab {
namespace {

using enum gdb_event::what;

std::vector<gdb_event> events_of(std::string_view bytes) {
  gdb_packet_reader reader;
  reader.add(bytes);
  std::vector<gdb_event> events;
  while (auto event = reader.next()) events.push_back(std::move(*event));
  return events;
}

using events = std::vector<gdb_event>;

// The checksum is the sum of the payload, in two digits; gdb's manual has this one.
TEST(gdb_packet, is_framed) {
  EXPECT_EQ(gdb_framed("g"), "$g#67");
  EXPECT_EQ(gdb_framed(""), "$#00");
}

// Bytes that mean something to the framing go as two, and the checksum is that of what goes.
TEST(gdb_packet, escapes_what_it_sends) {
  EXPECT_EQ(gdb_framed("#"), "$}\x03#80");
  EXPECT_EQ(events_of(gdb_framed("a#b$c}d*e")), (events{{packet, "a#b$c}d*e"}}));
}

// Acknowledgements and packets come in their order, and what is none of them is dropped.
TEST(gdb_packet, reads_all_that_came) {
  EXPECT_EQ(events_of("+\x01$OK#9a-$#00"), (events{{ack, ""}, {packet, "OK"}, {nak, ""}, {packet, ""}}));
}

// A packet may come in any parts: it is there with its last byte, and not before.
TEST(gdb_packet, may_come_in_parts) {
  gdb_packet_reader reader;
  for (const char byte : std::string_view{"$OK#9"}) {
    reader.add({&byte, 1});
    EXPECT_FALSE(reader.next());
  }
  reader.add("a");
  EXPECT_EQ(reader.next(), (gdb_event{packet, "OK"}));
}

// A wrong checksum is seen, and so is one that is no number; the packet behind it is read.
TEST(gdb_packet, with_a_wrong_checksum_is_damaged) {
  EXPECT_EQ(events_of("$OK#9b$OK#9a"), (events{{damaged, ""}, {packet, "OK"}}));
  EXPECT_EQ(events_of("$OK#zz$OK#9A"), (events{{damaged, ""}, {packet, "OK"}}));
}

// A run is a byte, '*', and how many more of it: 29 is added, so that '"' is five.
TEST(gdb_packet, may_have_runs) {
  EXPECT_EQ(events_of("$0*\"#7c"), (events{{packet, "000000"}}));
  EXPECT_EQ(events_of("$ab* c#70"), (events{{packet, "abbbbc"}}));
  // An escaped byte is repeated as what it stands for.
  EXPECT_EQ(events_of("$}\x03* #ca"), (events{{packet, "####"}}));
}

// A run of nothing, one without a length, one that is too short to be, and an escape of nothing are damaged packets
// whatever their checksum says.
TEST(gdb_packet, with_a_bad_run_or_escape_is_damaged) {
  for (const char* bytes : {"$*\"#4c", "$a*#8b", "$a*\x1f#aa", "$a}#de"})
    EXPECT_EQ(events_of(bytes), (events{{damaged, ""}}));
}

// A stub that never ends its packet is stopped before it fills the memory; so is one whose runs would.
TEST(gdb_packet, is_bounded) {
  gdb_packet_reader reader;
  reader.add("$");
  const std::string kilobyte(1024, 'x');
  EXPECT_THROW(
      for (int i = 0; i < 100; ++i) {
        reader.add(kilobyte);
        reader.next();
      },
      lab_error);
  std::string runs = "x";
  unsigned sum = 'x';
  for (int i = 0; i < 1000; ++i, sum += '*' + '~') runs += "*~";
  EXPECT_EQ(events_of(fmt::format("${}#{:02x}", runs, sum & 0xff)), (events{{damaged, ""}}));
}

}  // namespace
}  // namespace pvmmu::lab
