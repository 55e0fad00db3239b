#pragma once
// Perfetto's packets: tracks, which are described before the first event on them, and events in order of time.

#include "perfetto.pb.h"

#include <functional>
#include <set>
#include <string>
#include <string_view>

#include "proto/abi/frame.h"

namespace pvmmu::tools {

class perfetto_tracks {
 public:
  explicit perfetto_tracks(std::function<void(std::string_view)> out) : out_(std::move(out)) {}

  // Each returns the track's number, and describes the track when it is asked for first.
  u64 domain(domid_t domid);
  u64 vcpu(domid_t domid, vcpu_id_t vcpu);
  u64 type_count(domid_t domid, mfn_t mfn);
  bool has_type_count(mfn_t mfn) const { return described_.contains(uuid_of(mfn)); }

  /// An empty event on the track, at the next moment, to be filled in; `write` sends it.
  perfetto::TrackEvent& event(u64 track, perfetto::TrackEvent::Type type);
  void write();

 private:
  static u64 uuid_of(mfn_t mfn) { return (u64{1} << 48) + mfn.n; }
  /// Nothing if the track is described already.
  perfetto::TrackDescriptor* describe(u64 uuid);

  std::function<void(std::string_view)> out_;
  perfetto::TracePacket packet_;
  std::set<u64> described_;
  u64 now_ = 0;  ///< ns
  bool first_ = true;
};

}  // namespace pvmmu::tools
