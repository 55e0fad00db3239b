#include "proto/framing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <random>

namespace pvmmu {
namespace {

using ::testing::ElementsAre;
using bytes = std::vector<u8>;

bytes framed(const std::vector<bytes>& payloads) {
  bytes out;
  for (const bytes& payload : payloads) std::ranges::copy(payload, add_frame(out, static_cast<u32>(payload.size())));
  return out;
}

void feed(frame_reader& reader, std::span<const u8> stream) {
  while (!stream.empty()) {
    const std::span<u8> room = reader.prepare();
    ASSERT_FALSE(room.empty());
    const std::size_t n = std::min(room.size(), stream.size());
    std::ranges::copy(stream.first(n), room.begin());
    reader.commit(n);
    stream = stream.subspan(n);
  }
}

void take_all(frame_reader& reader, std::vector<bytes>& payloads) {
  while (true) {
    const auto payload = reader.next();
    ASSERT_TRUE(payload) << payload.error();
    if (!*payload) return;
    payloads.emplace_back((*payload)->begin(), (*payload)->end());
  }
}

// The header is the size of the payload in 32 bits, the low byte first: what guests of other languages rely on.
TEST(framing, a_frame_is_size_and_payload) {
  EXPECT_THAT(framed({{7, 8}}), ElementsAre(2, 0, 0, 0, 7, 8));
  const bytes large = framed({bytes(0x1234)});
  EXPECT_EQ(large.size(), 0x1234u + 4);
  EXPECT_THAT(bytes(large.begin(), large.begin() + 4), ElementsAre(0x34, 0x12, 0, 0));
}

// Wherever the stream is cut into two reads, the same payloads come out, and the end of the stream is a whole one only
// between frames.
TEST(framing, frames_may_be_cut_anywhere) {
  const std::vector<bytes> sent{{1, 2, 3}, {}, {4}, bytes(300, 5)};
  const bytes stream = framed(sent);
  for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
    frame_reader reader(1000);
    std::vector<bytes> got;
    feed(reader, std::span(stream).first(cut));
    take_all(reader, got);
    EXPECT_EQ(reader.between_frames(), cut == 0 || cut == 7 || cut == 11 || cut == 16 || cut == stream.size()) << cut;
    feed(reader, std::span(stream).subspan(cut));
    take_all(reader, got);
    EXPECT_EQ(got, sent) << "cut at " << cut;
    EXPECT_TRUE(reader.between_frames());
  }
}

// A truncated frame is no payload, however long one waits.
TEST(framing, a_truncated_frame_is_not_given_out) {
  const bytes stream = framed({bytes(100, 1)});
  for (std::size_t size = 0; size < stream.size(); ++size) {
    frame_reader reader(1000);
    feed(reader, std::span(stream).first(size));
    const auto payload = reader.next();
    ASSERT_TRUE(payload);
    EXPECT_FALSE(*payload) << size;
  }
}

// A size beyond the bound is refused as soon as the header is there, and no memory is taken on its word.
TEST(framing, an_oversize_frame_is_refused_at_its_header) {
  frame_reader reader(1000);
  feed(reader, bytes{0xe9, 3, 0, 0});
  const auto payload = reader.next();
  ASSERT_FALSE(payload);
  EXPECT_EQ(payload.error(), "a frame of 1001 bytes was announced, at most 1000 are expected");

  frame_reader allows_all(~u32{0});
  feed(allows_all, bytes{0xff, 0xff, 0xff, 0xff});
  ASSERT_TRUE(allows_all.next());
  EXPECT_LE(allows_all.prepare().size(), std::size_t{1} << 16) << "room for what may come next, not for 4 GiB";
}

// The bound itself is allowed: a payload of just that size, larger than any buffer at the start, arrives.
TEST(framing, a_frame_of_the_greatest_size_arrives) {
  const std::vector<bytes> sent{bytes(max_request_bytes, 9), {1}};
  frame_reader reader(max_request_bytes);
  feed(reader, framed(sent));
  std::vector<bytes> got;
  take_all(reader, got);
  EXPECT_EQ(got, sent);
}

// Streams of random frames, read in random pieces, come out as they went in: buffers wrap and grow at any point.
TEST(framing, random_streams_arrive) {
  std::mt19937_64 random(5);
  std::cout << "seed 5\n";
  for (int round = 0; round < 50; ++round) {
    std::vector<bytes> sent(random() % 40);
    for (bytes& payload : sent) payload.assign(random() % (random() % 8 ? 200 : 100000), static_cast<u8>(random()));
    const bytes stream = framed(sent);
    frame_reader reader(1 << 20);
    std::vector<bytes> got;
    for (std::size_t at = 0; at < stream.size();) {
      const std::size_t n = std::min<std::size_t>(random() % 70000, stream.size() - at);
      feed(reader, std::span(stream).subspan(at, n));
      take_all(reader, got);
      at += n;
    }
    ASSERT_EQ(got, sent) << "round " << round;
  }
}

}  // namespace
}  // namespace pvmmu
