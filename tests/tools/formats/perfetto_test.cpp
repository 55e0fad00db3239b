#include "tools/formats/perfetto.h"

#include "perfetto.pb.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tools/formats/perfetto_tracks.h"

namespace pvmmu::tools {
namespace {

using perfetto::TrackEvent;
using ::testing::Contains;
using ::testing::Key;

const std::string move_8m = std::string(PVMMU_SOURCE_DIR) + "/tests/fidelity/recordings/6.1/move_8m.rec";

/// What a recording of a real kernel becomes.
class perfetto_test : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    timeline t = timeline::open(move_8m, false);
    steps_ = t.size();
    std::string bytes;
    left_out_ = write_perfetto(t, [&](std::string_view packet) { bytes += packet; });
    ASSERT_TRUE(trace_.ParseFromString(bytes));
  }

  /// Each event, with what is described before it.
  template <class Visit>
  static void for_each_event(const Visit& visit) {
    for (const auto& packet : trace_.packet())
      if (packet.has_track_event()) visit(packet.track_event());
  }

  static inline perfetto::Trace trace_;
  static inline u64 steps_ = 0;
  static inline std::size_t left_out_ = 0;
};

// A viewer drops events on tracks that it does not know yet, and packets of no sequence.
TEST_F(perfetto_test, tracks_are_described_before_their_first_event) {
  std::set<u64> described;
  for (const auto& packet : trace_.packet()) {
    ASSERT_NE(packet.trusted_packet_sequence_id(), 0u);
    if (packet.has_track_descriptor()) {
      const auto& track = packet.track_descriptor();
      EXPECT_NE(track.uuid(), 0u);
      EXPECT_TRUE(described.insert(track.uuid()).second) << "described twice";
      EXPECT_TRUE(!track.has_parent_uuid() || described.contains(track.parent_uuid()));
    } else {
      EXPECT_TRUE(described.contains(packet.track_event().track_uuid()));
    }
  }
  EXPECT_GT(described.size(), 3u);
}

// Time goes on with each event, and each slice that begins on a track ends there.
TEST_F(perfetto_test, slices_nest_and_time_goes_on) {
  u64 now = 0;
  std::map<u64, int> open;
  for (const auto& packet : trace_.packet()) {
    if (!packet.has_track_event()) continue;
    EXPECT_GT(packet.timestamp(), now);
    now = packet.timestamp();
    int& depth = open[packet.track_event().track_uuid()];
    if (packet.track_event().type() == TrackEvent::TYPE_SLICE_BEGIN) ++depth;
    if (packet.track_event().type() == TrackEvent::TYPE_SLICE_END) --depth;
    ASSERT_GE(depth, 0);
    ASSERT_LE(depth, 2) << "a call, and in it a multicall's";
  }
  for (const auto& [track, depth] : open) EXPECT_EQ(depth, 0) << track;
}

// Every step is a slice that says its number, once.
TEST_F(perfetto_test, every_call_is_a_slice_with_its_step) {
  std::set<s64> numbers;
  std::map<std::string, int> names;
  for_each_event([&](const TrackEvent& e) {
    if (e.type() == TrackEvent::TYPE_SLICE_BEGIN) ++names[e.name()];
    for (const auto& annotation : e.debug_annotations())
      EXPECT_TRUE(annotation.name() != "step" || numbers.insert(annotation.int_value()).second);
  });
  EXPECT_EQ(numbers.size(), steps_);
  EXPECT_THAT(names, Contains(Key("mmu_update")));
  EXPECT_THAT(names, Contains(Key("multicall")));
  EXPECT_THAT(names, Contains(Key("update_va_mapping")));
}

// A counter's last value is the type count that the page table has in the end.
TEST_F(perfetto_test, counters_end_as_the_type_counts_do) {
  std::map<u64, s64> last;
  std::map<u64, u64> mfns;
  for (const auto& packet : trace_.packet()) {
    const auto& track = packet.track_descriptor();
    if (track.has_counter())
      mfns[track.uuid()] = std::stoull(track.name().substr(track.name().find("0x")), nullptr, 16);
    if (packet.track_event().type() == TrackEvent::TYPE_COUNTER)
      last[packet.track_event().track_uuid()] = packet.track_event().counter_value();
  }
  timeline t = timeline::open(move_8m, false);
  t.go_to(t.last());
  ASSERT_EQ(last.size(), mfns.size());
  ASSERT_GT(last.size(), 10u);
  EXPECT_EQ(left_out_, 0u);
  for (const auto& [track, value] : last) {
    const u64 type_info = t.machine().page({mfns.at(track)}).type_info;
    if ((type_info & xen::PGT_type_mask) > xen::PGT_l4_page_table) continue;  // a table no more
    EXPECT_EQ(static_cast<u64>(value), type_info & xen::PGT_count_mask) << std::hex << mfns.at(track);
  }
}

// The bytes are those that Perfetto's own definition gives to these fields: protoc --encode with its
// protos/perfetto/trace/trace.proto, perfetto.protos.Trace.
TEST(perfetto_tracks, packets_have_perfettos_own_numbers) {
  std::string bytes;
  perfetto_tracks tracks([&](std::string_view packet) { bytes = packet; });
  const u64 vcpu = tracks.vcpu(0, 0);
  TrackEvent& e = tracks.event(vcpu, TrackEvent::TYPE_SLICE_BEGIN);
  e.set_name("mmu_update");
  e.add_categories("hypercall");
  tracks.write();
  std::string hex;
  for (const char c : bytes) hex += fmt::format("{:02x}", static_cast<u8>(c));
  EXPECT_EQ(hex, "0a27406450015a214801588080808010b20109687970657263616c6cba010a6d6d755f757064617465");
}

}  // namespace
}  // namespace pvmmu::tools
