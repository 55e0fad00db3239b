// The plugin's events, taken apart: what was written comes out, and nothing else is believed.

#include "tools/lab/event_stream.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/lab/heard_stream.h"
#include "tools/lab/lab_error.h"

namespace pvmmu::lab {
namespace {

using heard::handler;

heard_stream small_stream() {
  heard_stream stream;
  stream.on(1).entry(handler::mmu_update, {0x1000, 2}, {{0x1000, bytes_of(u64{1}, u64{2}, u64{3})}});
  std::array<u64, 512> words{};
  words[511] = 0x63;
  stream.table(7, words);
  stream.exit(handler::mmu_update, -22, {}, 5);
  return stream;
}

/// How many events come out before the end; an error counts as none.
int read_all(std::span<const u8> bytes) {
  int count = 0;
  for (event_stream events{bytes}; events.next();) ++count;
  return count;
}

// Events come out as they were written, with the memory that belongs to them.
TEST(event_stream, gives_back_what_was_written) {
  const heard_stream stream = small_stream();
  event_stream events{stream.bytes()};
  const auto first = events.next();
  const auto& entry = std::get<heard_entry>(*first);
  EXPECT_EQ(entry.head.vcpu, 1);
  EXPECT_EQ(entry.args[1], 2u);
  EXPECT_EQ(entry.memory.get<u64>(0x1008), u64{2});
  EXPECT_EQ(std::get<heard_table>(*events.next()).words[511], 0x63u);
  const auto last = events.next();
  EXPECT_EQ(static_cast<s64>(std::get<heard_exit>(*last).result), -22);
  EXPECT_EQ(std::get<heard_exit>(*last).guest_rsi, 5u);
  EXPECT_FALSE(events.next());
}

// Memory that the plugin could read only in part gives the entries that are whole, and no value beyond its end.
TEST(event_stream, memory_ends_where_it_could_not_be_read) {
  heard_stream stream;
  stream.entry(handler::set_gdt, {}, {{0x1000, bytes_of(u64{1}, u64{2}, u32{3})}});
  event_stream events{stream.bytes()};
  const auto event = events.next();
  const heard_memory& memory = std::get<heard_entry>(*event).memory;
  EXPECT_EQ(memory.list<u64>(0x1000, 9), (std::vector<u64>{1, 2}));
  EXPECT_EQ(memory.get<u64>(0x1010), std::nullopt);
  EXPECT_EQ(memory.get<u64>(0xfff), std::nullopt);
}

// A stream that is cut anywhere but between two events is refused.
TEST(event_stream, a_torn_stream_is_refused) {
  const heard_stream stream = small_stream();
  int whole = 0;
  for (std::size_t length = 0; length <= stream.bytes().size(); ++length) {
    try {
      read_all(stream.bytes().first(length));
      ++whole;
    } catch (const lab_error& e) {
      EXPECT_NE(std::string(e.what()).find("ends within an event"), std::string::npos) << e.what();
    }
  }
  EXPECT_EQ(whole, 4);  // behind each of the three events, and before the first
}

// Whatever else the bytes are, they are events or an error, and nothing outside of them is read.
TEST(event_stream, random_bytes_are_an_error_or_events) {
  const u64 seed = 20261121;
  fmt::print("seed {}\n", seed);
  std::mt19937_64 random{seed};
  const heard_stream stream = small_stream();
  for (int i = 0; i < 20000; ++i) {
    std::vector<u8> bytes(stream.bytes().begin(), stream.bytes().end());
    for (int spoiled = 0; spoiled < 3; ++spoiled) bytes[random() % 160] = static_cast<u8>(random());
    try {
      EXPECT_LE(read_all(bytes), 400);
    } catch (const lab_error&) {
    }
  }
}

}  // namespace
}  // namespace pvmmu::lab
