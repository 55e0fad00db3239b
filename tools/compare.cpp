#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <boost/algorithm/string/replace.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <filesystem>
#include <memory>
#include <utility>

#include "tools/command.h"
#include "tools/compare/comparison.h"
#include "tools/recording_file.h"
#include "tools/scenario_names.h"

namespace pvmmu::tools {
namespace {

namespace json = boost::json;
using compare::comparison;
using compare::described_call;
using compare::described_stream;

constexpr std::size_t calls_before = 5;  // of a difference, that are shown
constexpr std::size_t calls_after = 5;

struct compare_options {
  std::string recording_path;
  std::string workload;
  std::string profile;
};

/// The calls around the one at `at`, which may lie behind the last: [first, second).
std::pair<std::size_t, std::size_t> shown_around(const described_stream& side, std::size_t at) {
  return {at - std::min(at, calls_before), std::min(side.calls.size(), at + calls_after)};
}

std::string context_of(const described_stream& side, const char* name, std::size_t at) {
  std::string text = fmt::format("{}\n", name);
  const auto [first, end] = shown_around(side, at);
  for (std::size_t i = first; i < end; ++i) {
    const std::string call = boost::algorithm::replace_all_copy(side.calls[i].text(), "\n", "\n        ");
    text += fmt::format("{} {:5} {}\n", i == at ? ">" : " ", side.calls[i].number, call);
  }
  if (at >= side.calls.size()) text += "> no more calls\n";
  return text;
}

u64 sum(const std::map<std::string, u64>& counts) {
  u64 all = 0;
  for (const auto& [kind, count] : counts) all += count;
  return all;
}

std::string text_of(const comparison& c) {
  std::string text;
  if (!c.begins_otherwise.empty()) text += fmt::format("the processes begin otherwise: {}\n", c.begins_otherwise);
  if (c.first_difference) {
    text += fmt::format("the first difference is in call {} of those compared\n", *c.first_difference + 1);
    text += context_of(c.real, "the recording", *c.first_difference);
    text += context_of(c.model, "the model", *c.first_difference);
  }
  text +=
      fmt::format("set aside, as they touch no table of the workload's: {} operations, in {} calls with nothing else\n",
                  sum(c.real.set_aside), c.real.calls_set_aside);
  for (const auto& [kind, count] : c.real.set_aside) text += fmt::format("  {:8} {}\n", count, kind);
  return text + c.verdict() + "\n";
}

json::object object_of(const described_stream& side, std::optional<std::size_t> difference) {
  json::object aside;
  for (const auto& [kind, count] : side.set_aside) aside[kind] = count;
  json::object object{{"calls", side.calls.size()},
                      {"multicalls", std::ranges::count_if(side.calls, &described_call::multicall)},
                      {"operations", side.operations},
                      {"calls_set_aside", side.calls_set_aside},
                      {"operations_set_aside", aside}};
  if (!difference) return object;
  json::array around;
  const auto [first, end] = shown_around(side, *difference);
  for (std::size_t i = first; i < end; ++i)
    around.push_back(json::object{{"piece", side.calls[i].number}, {"call", side.calls[i].text()}});
  object["around_first_difference"] = around;
  return object;
}

std::string json_of(const comparison& c) {
  json::object document{{"profile", c.profile},
                        {"nr_cpus", c.nr_cpus},
                        {"calls_compared", c.real.calls.size()},
                        {"differ", c.differ},
                        {"entries_validated", c.entries_validated},
                        {"recording", object_of(c.real, c.first_difference)},
                        {"model", object_of(c.model, c.first_difference)}};
  if (!c.begins_otherwise.empty()) document["begins_otherwise"] = c.begins_otherwise;
  if (c.first_difference) document["first_difference"] = *c.first_difference + 1;
  return json::serialize(document) + "\n";
}

/// The name of a workload of the project's, or a path.
std::string scenario_path(const std::string& workload) {
  std::string named = std::string(PVMMU_SOURCE_DIR) + "/tests/fidelity/" + workload + ".textproto";
  if (std::filesystem::is_regular_file(named)) return named;
  if (std::filesystem::is_regular_file(workload)) return workload;
  throw input_error(fmt::format("{}: a scenario file, or the name of one in tests/fidelity, is expected", workload));
}

const guest::kernel_profile& profile_of(const compare_options& options, const recording::header& header) {
  const guest::kernel_profile* profile = options.profile.empty() ? compare::profile_of(header.kernel_release())
                                                                 : guest::find_kernel_profile(options.profile);
  if (profile) return *profile;
  if (!options.profile.empty())
    throw input_error(
        fmt::format("no kernel is called \"{}\": expected one of {}", options.profile, all_profile_names()));
  const std::string& release = header.kernel_release();
  throw input_error(fmt::format("{}: {}: --profile is expected, with one of {}", options.recording_path,
                                release.empty() ? "does not say which kernel it is of"
                                                : fmt::format("is of Linux {}, which no profile stands for", release),
                                all_profile_names()));
}

void run_compare(const compare_options& options, context& ctx) {
  const scenario_file scenario = scenario_file::read(scenario_path(options.workload));
  const auto reader = recording_reader::open(options.recording_path);
  if (reader && !reader->header().real())
    throw input_error(options.recording_path +
                      ": is of the model itself; expected: a recording of a real kernel, as `pvmmu record` makes it");
  const compare::call_stream recording = compare::read_calls(options.recording_path);
  const comparison c = compare::compare(recording, scenario, profile_of(options, recording.header));
  write_result(ctx.json ? json_of(c) : text_of(c));
  if (!c.alike()) ctx.status = exit_status::finding;
}

}  // namespace

void add_compare_command(CLI::App& app, context& ctx) {
  CLI::App* command = app.add_subcommand("compare", "Hold the model's kernel against a recording of a real one");
  auto options = std::make_shared<compare_options>();
  command->add_option("FILE", options->recording_path, "A recording of a real kernel")->required();
  command->add_option("--workload", options->workload, "What ran: a scenario, or its name in tests/fidelity")
      ->required()
      ->type_name("NAME|SCENARIO");
  command->add_option("--profile", options->profile, "The model's kernel; default: by the recorded kernel's release");
  command->footer(
      "Runs the workload on the model's kernel, and compares what both asked for, call by call, from the mark to the\n"
      "last process's end. What touches no table of the workload's processes, loads none and flushes for none is set\n"
      "aside, and counted.\n"
      "Example: pvmmu compare move_8m.rec --workload move_8m");
  command->callback([options, &ctx] { run_compare(*options, ctx); });
}

}  // namespace pvmmu::tools
