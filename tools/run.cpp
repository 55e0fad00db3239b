// pvmmu run: scenarios, step by step.

#include <stdlib.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <filesystem>
#include <memory>
#include <optional>

#include "guest-pv/profile_items.h"
#include "tools/audit_option.h"
#include "tools/command.h"
#include "tools/recorder/recorder.h"
#include "tools/report/report.h"
#include "tools/runner.h"

namespace pvmmu::tools {

namespace {

struct run_options {
  std::vector<std::string> scenarios;
  std::string connect;
  kernel_override kernel;
  std::string record;
  audit_option audit;
};

/// An item that does not exist, or that no kernel is there to have, should not come late either.
void check_items(const std::vector<std::string>& items, const std::vector<scenario_file>& files) {
  guest::kernel_profile scratch;
  for (const std::string& item : items)
    if (const auto done = guest::set_item(scratch, item); !done) throw input_error("--item: " + done.error());
  for (const scenario_file& file : files)
    if (!items.empty() && std::ranges::none_of(file.content().domain(), [](const auto& d) { return d.has_kernel(); }))
      file.fail(file.content(), {}, "--item changes kernels: expected a domain with kernel { … }");
}

std::string footer() {
  std::string text =
      "Example: pvmmu run examples/pmd-move.textproto\n"
      "         pvmmu run examples/pmd-move.textproto --item pmd_move=populate\n"
      "Exit status 1 where something is not as the scenario expects.\n\nItems of a kernel's profile:\n";
  for (const auto& item : guest::profile_items())
    text += fmt::format("  {}={}\n      {}\n", item.name,
                        item.values.empty() ? "N" : fmt::format("{}", fmt::join(item.values, "|")), item.decides);
  return text + "Which kernel has which follows from its profile; `pvmmu matrix --help` lists the profiles.";
}

/// A file for a recording that nobody wants to keep.
class scratch_recording {
 public:
  scratch_recording() {
    std::string name = std::filesystem::temp_directory_path() / "pvmmu-XXXXXX";
    if (!mkdtemp(name.data())) throw std::runtime_error(fmt::format("{}: no folder can be made", name));
    folder_ = name;
  }
  ~scratch_recording() { std::filesystem::remove_all(folder_, ignored_); }
  scratch_recording(const scratch_recording&) = delete;
  scratch_recording& operator=(const scratch_recording&) = delete;
  std::string path() const { return folder_ / "run.rec"; }

 private:
  std::filesystem::path folder_;
  std::error_code ignored_;
};

/// What a run came to: for JSON, its documents.
struct run_outcome {
  u64 findings = 0;
  boost::json::object document{};
};

/// Runs all of `files`; text is printed as it comes.
run_outcome run_all(const std::vector<scenario_file>& files, const run_options& options,
                    xen::server_listener_factory listens, const context& ctx) {
  connection server(options.connect, std::move(listens));
  boost::json::array documents;
  u64 findings = 0;
  for (const scenario_file& file : files) {
    progress bar(file.name(), static_cast<u64>(file.content().step_size()), ctx.shows_progress());
    const journal j = run_scenario(file, server, options.kernel, &bar);
    bar.clear();
    findings += j.count_findings();
    if (ctx.json)
      documents.push_back(json_report(j));
    else
      write_result((&file == &files.front() ? "" : "\n") + text_report(j, ctx.colored()));
  }
  return {findings, {{"scenarios", std::move(documents)}}};
}

void run(const run_options& options, context& ctx) {
  if (options.audit.when && !options.connect.empty())
    throw input_error(
        "--audit and --connect: the audit is made where the machine is: `pvmmu serve --record FILE`, then "
        "`pvmmu replay FILE --audit each`");
  if (!options.record.empty() && !options.connect.empty())
    throw input_error("--record and --connect: a recording is made where the machine is: `pvmmu serve --record FILE`");
  // All files are read before the first one runs: a mistake in the last should not come late.
  std::vector<scenario_file> files;
  files.reserve(options.scenarios.size());
  for (const auto& path : options.scenarios) files.push_back(scenario_file::read(path));
  check_items(options.kernel.items, files);
  std::optional<scratch_recording> scratch;
  if (options.audit.when && options.record.empty()) scratch.emplace();
  std::optional<recorder> recorded;
  if (scratch)
    recorded.emplace(scratch->path(), [](const std::string&) {});
  else if (!options.record.empty())
    recorded.emplace(options.record, [&ctx](const std::string& text) { ctx.say("{}", text); });
  run_outcome outcome = run_all(files, options, recorded ? recorded->listens() : xen::server_listener_factory(), ctx);
  if (recorded) recorded->check();
  if (options.audit.when) {
    boost::json::array audits;
    for (const std::string& path : recorded->files()) audits.push_back(options.audit.audit(path, ctx));
    outcome.document["audits"] = std::move(audits);
  }
  if (ctx.json) write_result(boost::json::serialize(outcome.document) + "\n");
  if (outcome.findings != 0) ctx.status = exit_status::finding;
}

}  // namespace

void add_run_command(CLI::App& app, context& ctx) {
  auto* command = app.add_subcommand("run", "Run scenarios: steps, hypercalls, changed fields, messages, expectations");
  const auto options = std::make_shared<run_options>();
  command->add_option("SCENARIO", options->scenarios, "Scenario files (proto/scenario.proto describes them)")
      ->required();
  command->add_option("--connect", options->connect, "A server: unix:PATH or [HOST:]PORT; default: in this process")
      ->type_name("ADDRESS");
  command->add_option("--item", options->kernel.items, "Another value of an item of every kernel's profile; repeatable")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
  command->add_option("--record", options->record, "Record what is done, for replay; of a second scenario in NAME-2, …")
      ->type_name("FILE");
  options->audit.add_to(*command);
  command->footer(footer());
  command->callback([options, &ctx] { run(*options, ctx); });
}

}  // namespace pvmmu::tools
