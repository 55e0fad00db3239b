#include "tools/formats/perfetto_tracks.h"

#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

namespace pvmmu::tools {
namespace {

constexpr u64 ns_between_packets = 100;
constexpr u32 sequence_id = 1;
constexpr u32 incremental_state_cleared = 1;  // SEQ_INCREMENTAL_STATE_CLEARED
constexpr u32 packet_tag = 1 << 3 | 2;        // field 1 of Trace, with a length

// Linux has no process 0.
constexpr s32 pid_of(domid_t domid) { return domid + 1; }
constexpr u64 uuid_of_domain(domid_t domid) { return u64{1} + domid; }
constexpr u64 uuid_of_vcpu(domid_t domid, vcpu_id_t vcpu) { return (u64{1} << 32) + (u64{domid} << 8) + vcpu; }

}  // namespace

perfetto::TrackDescriptor* perfetto_tracks::describe(u64 uuid) {
  if (!described_.insert(uuid).second) return nullptr;
  packet_.Clear();
  packet_.mutable_track_descriptor()->set_uuid(uuid);
  return packet_.mutable_track_descriptor();
}

u64 perfetto_tracks::domain(domid_t domid) {
  if (auto* track = describe(uuid_of_domain(domid))) {
    track->mutable_process()->set_pid(pid_of(domid));
    track->mutable_process()->set_process_name(fmt::format("dom{}", domid));
    write();
  }
  return uuid_of_domain(domid);
}

u64 perfetto_tracks::vcpu(domid_t domid, vcpu_id_t vcpu) {
  domain(domid);
  const u64 uuid = uuid_of_vcpu(domid, vcpu);
  if (auto* track = describe(uuid)) {
    track->mutable_thread()->set_pid(pid_of(domid));
    track->mutable_thread()->set_tid(static_cast<s64>(pid_of(domid)) * 1000 + vcpu);
    track->mutable_thread()->set_thread_name(fmt::format("vCPU {}", vcpu));
    write();
  }
  return uuid;
}

u64 perfetto_tracks::type_count(domid_t domid, mfn_t mfn) {
  domain(domid);
  if (auto* track = describe(uuid_of(mfn))) {
    track->set_name(fmt::format("type count of mfn {:#x}", mfn.n));
    track->set_parent_uuid(uuid_of_domain(domid));
    track->mutable_counter()->set_unit(perfetto::CounterDescriptor::UNIT_COUNT);
    write();
  }
  return uuid_of(mfn);
}

perfetto::TrackEvent& perfetto_tracks::event(u64 track, perfetto::TrackEvent::Type type) {
  packet_.Clear();
  packet_.set_timestamp(now_ += ns_between_packets);
  packet_.mutable_track_event()->set_type(type);
  packet_.mutable_track_event()->set_track_uuid(track);
  return *packet_.mutable_track_event();
}

void perfetto_tracks::write() {
  packet_.set_trusted_packet_sequence_id(sequence_id);
  if (std::exchange(first_, false)) packet_.set_sequence_flags(incremental_state_cleared);
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.WriteTag(packet_tag);
    coded.WriteVarint32(static_cast<u32>(packet_.ByteSizeLong()));
    packet_.SerializeToCodedStream(&coded);
  }
  out_(bytes);
}

}  // namespace pvmmu::tools
