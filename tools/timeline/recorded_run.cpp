#include "tools/timeline/recorded_run.h"

#include <fmt/format.h>

#include <stdexcept>
#include <utility>

#include "tools/command.h"

namespace pvmmu::tools {
namespace {

constexpr u64 min_machine_frames = 1024;

/// Takes a recording's records in their order.
class run_builder {
 public:
  explicit run_builder(const recording::header& header) {
    run_.header = header;
    // A snapshot costs work for each frame.
    if (frames() < min_machine_frames || frames() > max_recorded_frames)
      throw std::invalid_argument(fmt::format("a machine of {} frames: {} to {} are expected", frames(),
                                              min_machine_frames, max_recorded_frames));
  }

  void take(recording::record&& record) {
    switch (record.what_case()) {
      case recording::record::kSnapshot: return take(record.snapshot());
      case recording::record::kFrames: return take(record.frames());
      case recording::record::kTable: return take(record.table());
      case recording::record::kPiece: return take(std::move(*record.mutable_piece()));
      case recording::record::kNote: return take(std::move(*record.mutable_note()));
      default: throw std::invalid_argument("a snapshot, frames, a table, a piece or a note is expected");
    }
  }

  /// `torn`: what the file's end lacks. A second snapshot is not whole then, and as good as none.
  recorded_run finish(const std::optional<std::string>& torn) {
    if (!run_.after && !torn) throw std::invalid_argument("two snapshots are expected before the end");
    if (run_.after && torn)
      run_.after.reset();
    else
      check_complete();
    run_.torn = torn;
    return std::move(run_);
  }

 private:
  u64 frames() const { return run_.header.machine_frames(); }

  void take(const recording::snapshot& snapshot) {
    if (run_.after) throw std::invalid_argument("a third snapshot: two are expected");
    if (state_ != nullptr) check_complete();
    state_ = &(run_.before ? run_.after : run_.before).emplace();
    frames_seen_ = 0;
    state_->vcpus.assign(snapshot.vcpus().begin(), snapshot.vcpus().end());
    if (!run_.after) check_vcpus();
  }

  void take(const recording::frame_runs& record) {
    expect_state();
    const auto runs = decode_frames(record);
    if (!runs) throw std::invalid_argument(runs.error());
    for (const frame_run& run : *runs) {
      frames_seen_ += run.length;
      if (frames_seen_ > frames()) {
        throw std::invalid_argument(
            fmt::format("frames up to {:#x}: frames below {:#x} are expected", frames_seen_ - 1, frames()));
      }
      state_->frames.push_back(run);
    }
  }

  void take(const recording::table& table) {
    expect_state();
    const auto words = decode_table(table);
    if (!words) throw std::invalid_argument(words.error());
    check_frame(table.mfn());
    state_->tables[{table.mfn()}] = *words;
  }

  void take(recording::piece&& piece) {
    if (!run_.before || run_.after) throw std::invalid_argument("a piece is expected between the two snapshots only");
    check_complete();
    run_.pieces.push_back(std::move(piece));
  }

  void take(wire::note&& note) { run_.notes[run_.pieces.size() + 1].push_back(std::move(note)); }

  void expect_state() const {
    if (state_ == nullptr) throw std::invalid_argument("a snapshot is expected before frames and tables");
    if (!run_.after && !run_.pieces.empty())
      throw std::invalid_argument("frames and tables are expected before the first piece");
  }

  /// What they run on at the end is not always recorded.
  void check_vcpus() const {
    const auto& vcpus = run_.before->vcpus;
    if (vcpus.empty() || vcpus.size() > max_vcpus_per_domain)
      throw std::invalid_argument(fmt::format("{} vCPUs: 1 to {} are expected", vcpus.size(), max_vcpus_per_domain));
    for (const recording::loaded_tables& roots : vcpus) {
      check_frame(roots.kernel_mfn());
      check_frame(roots.user_mfn());
    }
  }

  void check_complete() const {
    if (frames_seen_ == frames()) return;
    throw std::invalid_argument(fmt::format("a snapshot of {} frames: all {} are expected", frames_seen_, frames()));
  }

  void check_frame(u64 mfn) const {
    if (mfn >= frames())
      throw std::invalid_argument(fmt::format("mfn {:#x}: frames below {:#x} are expected", mfn, frames()));
  }

  recorded_run run_;
  machine_state* state_ = nullptr;  ///< that is being read, or was read last
  u64 frames_seen_ = 0;             ///< of it
};

}  // namespace

recorded_run read_run(const std::string& path) {
  auto reader = recording_reader::open(path);
  if (!reader) throw input_error(reader.error());
  try {
    run_builder builder(reader->header());
    for (;;) {
      auto record = reader->next();
      if (!record) throw input_error(record.error());
      if (!*record) return builder.finish(reader->torn());
      builder.take(std::move(**record));
    }
  } catch (const std::invalid_argument& e) {
    throw input_error(reader->complaint(e.what()));
  }
}

}  // namespace pvmmu::tools
