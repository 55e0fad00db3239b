#include "tools/conform/raw_grant_call.h"

namespace pvmmu::conform {
namespace {

bool is_grant_call(const lab::raw_call& c, gnttab_cmd cmd) {
  return c.op == HYPERVISOR_grant_table_op && c.args.size() == 3 && c.args[0] == lab::plain(cmd) &&
         c.args[1] == lab::blob_at(0) && c.args[2].kind == lab::word_kind::plain;
}

bool is_set_version(const lab::raw_call& c) {
  return is_grant_call(c, GNTTABOP_set_version) && c.blobs.size() == 1 && c.blobs[0].out &&
         c.blobs[0].words.size() == 1;
}

bool is_get_status_frames(const lab::raw_call& c) {
  return is_grant_call(c, GNTTABOP_get_status_frames) && c.blobs.size() == 2 && !c.blobs[0].out &&
         c.blobs[0].words.size() == 2 && c.blobs[0].words[1] == lab::blob_at(1) && c.blobs[1].out;
}

}  // namespace

std::optional<grant_table_op_call> raw_grant_call(const lab::raw_call& c, const names& number,
                                                  std::vector<u64>& frame_list) {
  if (is_set_version(c))
    return grant_table_op_call{.uop = gnttab_set_version_t{static_cast<u32>(number(c.blobs[0].words[0]))},
                               .count = static_cast<u32>(c.args[2].value)};
  if (!is_get_status_frames(c)) return std::nullopt;
  for (const lab::word& w : c.blobs[1].words) frame_list.push_back(number(w));
  const u64 nr_and_dom = number(c.blobs[0].words[0]);
  return grant_table_op_call{.uop = gnttab_get_status_frames_t{static_cast<u32>(nr_and_dom),
                                                               static_cast<domid_t>(nr_and_dom >> 32), 0, frame_list},
                             .count = static_cast<u32>(c.args[2].value)};
}

std::vector<mfn_t> status_frames_taken(const lab::program& p, std::size_t i, const std::vector<lab::answer>& real) {
  const auto* version = std::get_if<lab::raw_call>(&p.calls[i]);
  if (!version || !is_set_version(*version) || version->blobs[0].words[0] != lab::plain(2)) return {};
  std::vector<mfn_t> frames;
  for (++i; i < real.size(); ++i) {
    const auto* asked = std::get_if<lab::raw_call>(&p.calls[i]);
    if (!asked || !is_get_status_frames(*asked) || real[i].blobs.empty()) continue;
    for (const u64 mfn : real[i].blobs[0]) frames.push_back({mfn});
    break;
  }
  return frames;
}

}  // namespace pvmmu::conform
