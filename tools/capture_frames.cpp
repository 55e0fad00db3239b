#include "tools/capture_frames.h"

#include <fmt/format.h>

#include <array>
#include <cstring>

#include "hypervisor-model/machine/page_info.h"
#include "tools/command.h"
#include "tools/snapshot_records.h"
#include "tools/xz_input.h"

namespace pvmmu::tools {
namespace {

constexpr std::size_t record_bytes = 32;
constexpr std::size_t count_info_offset = 8;
constexpr std::size_t type_info_offset = 16;
constexpr std::size_t owner_offset = 24;
constexpr std::size_t aux_offset = 28;

template <class T>
T load(const u8* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

xen::frame_owner owner_kind(const captured_frame& frame, const captured_owners& owners) {
  if (!frame.valid()) return xen::frame_owner::invalid;
  if (!frame.owned()) return xen::frame_owner::nobody;
  if (frame.owner == owners.domain) return xen::frame_owner::the_domain;
  if (frame.owner == owners.dom_io) return xen::frame_owner::dom_io;
  return frame.owner == owners.dom_xen ? xen::frame_owner::dom_xen : xen::frame_owner::nobody;
}

}  // namespace

std::vector<captured_frame> read_frame_table(const std::string& path) {
  xz_input in(path);
  std::vector<captured_frame> frames;
  std::array<u8, record_bytes> bytes;
  while (const std::size_t read = in.read(bytes)) {
    if (read != record_bytes) {
      throw input_error(
          fmt::format("{}: {} bytes at its end: records of {} bytes are expected", in.path(), read, record_bytes));
    }
    if (frames.size() == max_recorded_frames)
      throw input_error(fmt::format("{}: at most {} frames are expected", in.path(), max_recorded_frames));
    frames.push_back({load<u64>(&bytes[count_info_offset]), load<u64>(&bytes[type_info_offset]),
                      load<u32>(&bytes[owner_offset]), load<u32>(&bytes[aux_offset])});
  }
  if (frames.empty()) throw input_error(fmt::format("{}: empty: a frame table is expected", in.path()));
  return frames;
}

std::vector<frame_run> to_runs(const std::vector<captured_frame>& frames, const captured_owners& owners) {
  std::vector<frame_run> runs;
  for (const captured_frame& f : frames)
    add_frame(runs, recorded_frame(owner_kind(f, owners), f.count_info, f.type_info, f.aux));
  return runs;
}

}  // namespace pvmmu::tools
