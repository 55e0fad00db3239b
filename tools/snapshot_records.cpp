#include "tools/snapshot_records.h"

#include <algorithm>

namespace pvmmu::tools {
namespace {

/// Frame runs of one record: few enough to keep records small, enough to compress well.
constexpr std::size_t runs_per_record = 4096;

}  // namespace

u64 machine_state::domain_frames() const {
  u64 count = 0;
  for (const frame_run& run : frames)
    if (run.state.owner == xen::frame_owner::the_domain) count += run.length;
  return count;
}

void add_snapshot(recording_writer& writer, const machine_state& state) {
  recording::record record;
  for (const recording::loaded_tables& vcpu : state.vcpus) *record.mutable_snapshot()->add_vcpus() = vcpu;
  record.mutable_snapshot();
  writer.add(record);
  for (std::size_t i = 0; i < state.frames.size(); i += runs_per_record) {
    const auto some = std::span(state.frames).subspan(i, std::min(runs_per_record, state.frames.size() - i));
    *record.mutable_frames() = encode_frames(some);
    writer.add(record);
  }
  for (const auto& [mfn, words] : state.tables) {
    *record.mutable_table() = encode_table(mfn, words);
    writer.add(record);
  }
}

}  // namespace pvmmu::tools
