#include "tools/snapshot_records.h"

#include <algorithm>

#include "hypervisor-model/machine/page_info.h"

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

xen::frame_record recorded_frame(xen::frame_owner owner, u64 count_info, u64 type_info, u32 aux) {
  if (owner == xen::frame_owner::nobody || owner == xen::frame_owner::invalid) return {owner, 0, 0, 0};
  const bool is_table = xen::table_level(type_info) != 0 && (type_info & xen::PGT_count_mask) != 0;
  return {owner, count_info, type_info, is_table ? aux : 0};
}

void add_frame(std::vector<frame_run>& runs, const xen::frame_record& frame) {
  if (runs.empty() || runs.back().state != frame) runs.push_back({0, frame});
  ++runs.back().length;
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
