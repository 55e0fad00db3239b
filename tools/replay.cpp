#include "tools/replay.h"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <memory>
#include <optional>
#include <stdexcept>

#include "tools/audit_option.h"
#include "tools/command.h"
#include "tools/progress.h"
#include "tools/timeline/player.h"
#include "tools/timeline/recorded_steps.h"

namespace pvmmu::tools {
namespace {

namespace json = boost::json;

constexpr std::size_t differences_kept = 20;  // of each kind

/// Counts what is played, and what of it is not as recorded.
class judge {
 public:
  explicit judge(replay_report& report) : report_(report) {}

  void take(const played_piece& played) {
    report_.calls += 1 + played.multicall_entries;
    report_.accessed_dirty_adopted += played.accessed_dirty_adopted;
    bool is_answered = true;
    for (const piece_difference& difference : differences_of(played)) {
      const bool of_result = difference.is == piece_difference::kind::result;
      is_answered = is_answered && !of_result;
      differ(of_result ? replay_report::results : replay_report::table_entries, difference.text);
    }
    if (!played.rest) return;
    if (played.truly_preempted) {
      ++report_.true_preemptions;
    } else if (is_answered) {
      ++report_.continuations_predicted;
    }
  }

  void compare(xen::machine& m, const xen::domain& d, const machine_state& expected) {
    mfn_t mfn{};
    for (const frame_run& run : expected.frames)
      for (const mfn_t end = mfn + run.length; mfn < end; ++mfn) compare(mfn, xen::state_of(m, d, mfn), run.state);
    for (const auto& [table, words] : expected.tables) {
      ++report_.tables_compared;
      std::vector<other_entry> others;
      add_other_entries(table, m.words(table), words.data(), others);
      for (const other_entry& entry : others) differ(replay_report::table_entries, describe(entry, "at the end"));
    }
  }

 private:
  void differ(replay_report::kind kind, const std::string& text) {
    ++report_.differ[kind];
    auto& kept = report_.first_differences[kind];
    if (kept.size() < differences_kept) kept.push_back(text);
  }

  void compare(mfn_t mfn, const xen::frame_record& found, const xen::frame_record& expected) {
    if (found.owner == xen::frame_owner::nobody && expected.owner == xen::frame_owner::nobody) return;
    ++report_.frames_compared;
    if (found.owner == expected.owner && found.count_info == expected.count_info &&
        found.type_info == expected.type_info) {
      return;
    }
    differ(replay_report::frames,
           fmt::format("mfn {:#x}: count_info {:016x} type_info {:016x} owner {}, expected {:016x} {:016x} {}", mfn.n,
                       found.count_info, found.type_info, static_cast<int>(found.owner), expected.count_info,
                       expected.type_info, static_cast<int>(expected.owner)));
  }

  replay_report& report_;
};

replay_report play(recorded_steps& steps, bool shows_progress) {
  replay_report report;
  report.guest = steps.header().guest();
  report.hypervisor = steps.header().hypervisor();
  report.torn = steps.torn();
  report.overlapping = steps.overlapping();
  player p(steps.header(), steps.before());
  judge j(report);
  progress bar("replaying", steps.size(), shows_progress);
  for (u64 place = 0; place < steps.size(); ++place) {
    const u64 number = steps.piece_in(place);
    const recording::piece* const rest = steps.rest(place);
    j.take(p.play(number + 1, steps.piece(number), rest));
    bar.step();
  }
  if (const machine_state* const after = steps.after()) j.compare(p.machine(), *p.machine().domains().front(), *after);
  return report;
}

}  // namespace

replay_report replay(const std::string& recording_path, bool shows_progress) {
  try {
    return play(*recorded_steps::open(recording_path, shows_progress), shows_progress);
  } catch (const std::invalid_argument& e) {
    throw input_error(recording_path + ": " + e.what());
  }
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
  if (report.torn)
    text += fmt::format("the recording is torn: {}; the calls before that were repeated\n", *report.torn);
  text += fmt::format(
      "{} on {}: {} calls, {} overlapping, {} continuations predicted, {} true preemptions taken from the recording, "
      "{} entries' "
      "accessed or dirty bits adopted; {} frames and {} tables compared\n{}\n",
      report.guest, report.hypervisor, report.calls, report.overlapping, report.continuations_predicted,
      report.true_preemptions, report.accessed_dirty_adopted, report.frames_compared, report.tables_compared,
      report.verdict());
  write_result(text);
}

void print_json(const replay_report& report, std::optional<json::value> audit) {
  json::array differences;
  for (const auto& kept : report.first_differences) {
    for (const std::string& difference : kept) differences.emplace_back(difference);
  }
  json::object document{{"guest", report.guest},
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
  if (report.torn) document["torn"] = *report.torn;
  if (audit) document["audit"] = std::move(*audit);
  write_result(json::serialize(document) + "\n");
}

}  // namespace

void add_replay_command(CLI::App& app, context& ctx) {
  CLI::App* command = app.add_subcommand("replay", "Repeat a recording in the model and compare");
  struct replay_options {
    std::string path;
    audit_option audit;
  };
  const auto options = std::make_shared<replay_options>();
  command->add_option("FILE", options->path, "A recording, of the real thing or of the model")->required();
  command->footer("Example: pvmmu replay l61-fork.rec");
  options->audit.add_to(*command);
  command->callback([options, &ctx] {
    const replay_report report = replay(options->path, ctx.shows_progress());
    if (!ctx.json) print_text(report);
    std::optional<json::value> audit;
    if (options->audit.when) audit = options->audit.audit(options->path, ctx);
    if (ctx.json) print_json(report, std::move(audit));
    if (!report.as_recorded()) ctx.status = exit_status::finding;
  });
}

}  // namespace pvmmu::tools
