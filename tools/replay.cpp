#include "tools/replay.h"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <memory>
#include <optional>
#include <stdexcept>

#include "tools/command.h"
#include "tools/progress.h"
#include "tools/recording_file.h"
#include "tools/replay_order.h"
#include "tools/replayer.h"

namespace pvmmu::tools {
namespace {

namespace json = boost::json;

constexpr u64 min_machine_frames = 1024;

/// Takes a recording's records in their order.
class recording_walk {
 public:
  recording_walk(const recording::header& header, replay_report& report, std::optional<replay_order>& order,
                 bool shows_progress)
      : machine_frames_(header.machine_frames()), report_(report), order_(order), shows_progress_(shows_progress) {
    if (machine_frames_ < min_machine_frames || machine_frames_ > max_recorded_frames) {
      throw std::invalid_argument(fmt::format("a machine of {} frames: {} to {} are expected", machine_frames_,
                                              min_machine_frames, max_recorded_frames));
    }
    report_.guest = header.guest();
    report_.hypervisor = header.hypervisor();
  }

  void take(recording::record&& record) {
    switch (record.what_case()) {
      case recording::record::kSnapshot: return take(record.snapshot());
      case recording::record::kFrames: return take(record.frames());
      case recording::record::kTable: return take(record.table());
      case recording::record::kPiece: return take(std::move(*record.mutable_piece()));
      default: throw std::invalid_argument("a snapshot, frames, a table or a piece is expected");
    }
  }

  void finish() const {
    if (stage_ != stage::after) throw std::invalid_argument("two snapshots are expected before the end");
    check_frames();
  }

 private:
  enum class stage { nothing, before, after };

  void take(const recording::snapshot& snapshot) {
    if (stage_ == stage::after) throw std::invalid_argument("a third snapshot: two are expected");
    if (stage_ == stage::nothing) {
      stage_ = stage::before;
      replayer_.emplace(machine_frames_,
                        std::vector<recording::loaded_tables>(snapshot.vcpus().begin(), snapshot.vcpus().end()),
                        report_);
      return;
    }
    check_frames();
    replay_pieces();
    stage_ = stage::after;
    next_frame_ = {};
  }

  void take(const recording::frame_runs& record) {
    expect_state();
    const auto runs = decode_frames(record);
    if (!runs) throw std::invalid_argument(runs.error());
    for (const frame_run& run : *runs) {
      stage_ == stage::before ? replayer_->load(next_frame_, run) : replayer_->compare(next_frame_, run);
      next_frame_ = next_frame_ + run.length;
    }
  }

  void take(const recording::table& table) {
    expect_state();
    stage_ == stage::before ? replayer_->load(table) : replayer_->compare(table);
  }

  void take(recording::piece&& piece) {
    if (stage_ != stage::before) throw std::invalid_argument("a piece is expected between the two snapshots only");
    pieces_.push_back(std::move(piece));
  }

  void expect_state() const {
    if (stage_ == stage::nothing) throw std::invalid_argument("a snapshot is expected before frames and tables");
    if (stage_ == stage::before && !pieces_.empty())
      throw std::invalid_argument("frames and tables are expected before the first piece");
  }

  void check_frames() const {
    if (next_frame_.n == machine_frames_) return;
    throw std::invalid_argument(
        fmt::format("a snapshot of {} frames: all {} are expected", next_frame_.n, machine_frames_));
  }

  void replay_pieces() {
    replayer_->start();
    if (!order_) order_.emplace(pieces_);
    report_.overlapping = order_->overlapping();
    progress bar("replaying", pieces_.size(), shows_progress_);
    for (std::size_t place = 0; place < pieces_.size(); ++place) {
      replayer_->replay_piece(pieces_, order_->pieces(), place);
      if (report_.differs_before_the_end() && !report_.first_difference) report_.first_difference = place;
      bar.step();
    }
  }

  u64 machine_frames_;
  replay_report& report_;
  std::optional<replay_order>& order_;
  bool shows_progress_;
  stage stage_ = stage::nothing;
  mfn_t next_frame_{};
  std::optional<replayer> replayer_;
  std::vector<recording::piece> pieces_;
};

}  // namespace

namespace {

/// Other orders of overlapping calls that are tried before a difference is believed.
constexpr unsigned orders_tried = 200;

/// One run, in `order`; in that of the entries where there is none yet.
replay_report replay_in(std::optional<replay_order>& order, const std::string& recording_path, bool shows_progress) {
  auto reader = recording_reader::open(recording_path);
  if (!reader) throw input_error(reader.error());
  replay_report report;
  try {
    recording_walk walk(reader->header(), report, order, shows_progress);
    for (;;) {
      auto record = reader->next();
      if (!record) throw input_error(record.error());
      if (!*record) break;
      walk.take(std::move(**record));
    }
    walk.finish();
  } catch (const std::invalid_argument& e) {
    throw input_error(reader->complaint(e.what()));
  }
  return report;
}

}  // namespace

replay_report replay(const std::string& recording_path, bool shows_progress) {
  std::optional<replay_order> order;
  replay_report best = replay_in(order, recording_path, shows_progress);
  for (unsigned i = 0; i < orders_tried && best.first_difference && order->propose(*best.first_difference); ++i) {
    replay_report other = replay_in(order, recording_path, shows_progress);
    const bool better = !other.first_difference || *other.first_difference > *best.first_difference;
    order->keep(better);
    if (better) best = std::move(other);
  }
  return best;
}

std::string replay_report::verdict() const {
  return fmt::format("{} results differ, {} frames differ, {} table entries differ", differ[results], differ[frames],
                     differ[table_entries]);
}

namespace {

void print_text(const replay_report& report) {
  std::string text;
  for (unsigned kind = 0; kind < replay_report::kinds; ++kind) {
    const auto& shown = report.first_differences[kind];
    for (const std::string& difference : shown) text += difference + "\n";
    if (report.differ[kind] > shown.size()) text += fmt::format("… and {} more\n", report.differ[kind] - shown.size());
  }
  text += fmt::format(
      "{} on {}: {} calls, {} overlapping, {} continuations predicted, {} true preemptions taken from the recording, "
      "{} entries' "
      "accessed or dirty bits adopted; {} frames and {} tables compared\n{}\n",
      report.guest, report.hypervisor, report.calls, report.overlapping, report.continuations_predicted,
      report.true_preemptions, report.accessed_dirty_adopted, report.frames_compared, report.tables_compared,
      report.verdict());
  write_result(text);
}

void print_json(const replay_report& report) {
  json::array differences;
  for (const auto& kept : report.first_differences) {
    for (const std::string& difference : kept) differences.emplace_back(difference);
  }
  const json::object document{{"guest", report.guest},
                              {"hypervisor", report.hypervisor},
                              {"calls", report.calls},
                              {"overlapping", report.overlapping},
                              {"continuations_predicted", report.continuations_predicted},
                              {"true_preemptions", report.true_preemptions},
                              {"accessed_dirty_adopted", report.accessed_dirty_adopted},
                              {"frames_compared", report.frames_compared},
                              {"tables_compared", report.tables_compared},
                              {"results_differ", report.differ[replay_report::results]},
                              {"frames_differ", report.differ[replay_report::frames]},
                              {"table_entries_differ", report.differ[replay_report::table_entries]},
                              {"first_differences", differences}};
  write_result(json::serialize(document) + "\n");
}

}  // namespace

void add_replay_command(CLI::App& app, context& ctx) {
  CLI::App* command = app.add_subcommand("replay", "Repeat a recording in the model and compare");
  auto path = std::make_shared<std::string>();
  command->add_option("FILE", *path, "A recording, made by `pvmmu record` or `pvmmu import`")->required();
  command->footer("Example: pvmmu replay l61-fork.rec");
  command->callback([path, &ctx] {
    const replay_report report = replay(*path, ctx.shows_progress());
    ctx.json ? print_json(report) : print_text(report);
    if (!report.as_recorded()) ctx.status = exit_status::finding;
  });
}

}  // namespace pvmmu::tools
