#include "tools/recording_codec.h"

#include <fmt/format.h>

#include <bit>

namespace pvmmu::tools {
namespace {

// The bits that are set in most frames lie at the top; rotated, they make a short varint.
constexpr int count_info_rotation = 1;
constexpr int type_info_rotation = 9;

}  // namespace

recording::frame_runs encode_frames(std::span<const frame_run> runs) {
  recording::frame_runs record;
  for (const frame_run& run : runs) {
    record.add_length(run.length);
    record.add_owner(static_cast<recording::frame_owner>(run.state.owner));
    record.add_count_info(std::rotl(run.state.count_info, count_info_rotation));
    record.add_type_info(std::rotl(run.state.type_info, type_info_rotation));
    record.add_aux(run.state.aux);
  }
  return record;
}

std::expected<std::vector<frame_run>, std::string> decode_frames(const recording::frame_runs& record) {
  const int runs = record.length_size();
  if (record.owner_size() != runs || record.count_info_size() != runs || record.type_info_size() != runs ||
      record.aux_size() != runs) {
    return std::unexpected(
        fmt::format("frame runs with {} lengths, {} owners, {} count_infos, {} type_infos and {} auxs: as many of each "
                    "are expected",
                    runs, record.owner_size(), record.count_info_size(), record.type_info_size(), record.aux_size()));
  }
  std::vector<frame_run> decoded;
  decoded.reserve(static_cast<std::size_t>(runs));
  for (int i = 0; i < runs; ++i) {
    if (record.length(i) == 0 || record.length(i) > max_recorded_frames) {
      return std::unexpected(
          fmt::format("a run of {} frames: 1 to {} are expected", record.length(i), max_recorded_frames));
    }
    if (!recording::frame_owner_IsValid(record.owner(i))) {
      return std::unexpected(fmt::format("frame owner {}: {} to {} are expected", static_cast<int>(record.owner(i)),
                                         static_cast<int>(recording::frame_owner_MIN),
                                         static_cast<int>(recording::frame_owner_MAX)));
    }
    decoded.push_back(
        {record.length(i),
         {static_cast<xen::frame_owner>(record.owner(i)), std::rotr(record.count_info(i), count_info_rotation),
          std::rotr(record.type_info(i), type_info_rotation), record.aux(i)}});
  }
  return decoded;
}

namespace {

/// Entries from `slot` on that are an arithmetic progression, as linear mappings are; at least one.
unsigned run_length(const table_words& words, unsigned slot) {
  unsigned end = slot + 1;
  if (end == entries_per_table || words[end] == 0) return 1;
  const u64 step = words[end] - words[slot];
  while (end < entries_per_table && words[end] != 0 && words[end] - words[end - 1] == step) ++end;
  return end - slot;
}

}  // namespace

recording::table encode_table(mfn_t mfn, const table_words& words) {
  recording::table record;
  record.set_mfn(mfn.n);
  unsigned behind_last = 0;
  u64 last_first = 0;
  for (unsigned slot = 0; slot < entries_per_table;) {
    if (words[slot] == 0) {
      ++slot;
      continue;
    }
    const unsigned length = run_length(words, slot);
    record.add_skip(slot - behind_last);
    record.add_length(length);
    record.add_first(static_cast<s64>(words[slot] - last_first));
    record.add_step(length == 1 ? 0 : static_cast<s64>(words[slot + 1] - words[slot]));
    last_first = words[slot];
    behind_last = slot += length;
  }
  return record;
}

std::expected<table_words, std::string> decode_table(const recording::table& record) {
  const int runs = record.skip_size();
  if (record.length_size() != runs || record.first_size() != runs || record.step_size() != runs) {
    return std::unexpected(
        fmt::format("a table with {} skips, {} lengths, {} firsts and {} steps: as many of each are expected", runs,
                    record.length_size(), record.first_size(), record.step_size()));
  }
  table_words words{};
  u64 slot = 0;
  u64 entry = 0;
  for (int i = 0; i < runs; ++i) {
    slot += record.skip(i);
    const u64 end = slot + record.length(i);
    if (record.length(i) == 0 || end > entries_per_table) {
      return std::unexpected(fmt::format("a run of {} entries at slot {}: 1 or more below slot {} are expected",
                                         record.length(i), slot, entries_per_table));
    }
    entry += static_cast<u64>(record.first(i));
    for (u64 next = entry; slot < end; ++slot, next += static_cast<u64>(record.step(i))) words[slot] = next;
  }
  return words;
}

}  // namespace pvmmu::tools
