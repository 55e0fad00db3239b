#pragma once
// A machine's state and the records of a recording that hold it (proto/recording.proto): frames and tables, run-length
// encoded. What is decoded is checked: a wrong record is an error that says what was expected, and no memory is taken
// on its word.

#include "recording.pb.h"

#include <array>
#include <expected>
#include <span>
#include <string>
#include <vector>

#include "hypervisor-model/snapshot.h"
#include "proto/abi/pte.h"

namespace pvmmu::tools {

/// Frames that a recording's machine may have: 16 GiB. Bounds the work that a small file can ask for.
inline constexpr u64 max_recorded_frames = u64{1} << 22;

using table_words = std::array<pte_t, entries_per_table>;

/// `length` frames that are all alike.
struct frame_run {
  u64 length = 0;
  xen::frame_record state;
};

recording::frame_runs encode_frames(std::span<const frame_run> runs);
std::expected<std::vector<frame_run>, std::string> decode_frames(const recording::frame_runs& record);

recording::table encode_table(mfn_t mfn, const table_words& words);
std::expected<table_words, std::string> decode_table(const recording::table& record);

}  // namespace pvmmu::tools
