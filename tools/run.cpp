// pvmmu run: scenarios, step by step.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <memory>
#include <optional>

#include "guest-pv/profile_items.h"
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

/// Runs all of `files`, and returns how many findings there were.
u64 run_all(const std::vector<scenario_file>& files, const run_options& options, xen::server_listener_factory listens,
            const context& ctx) {
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
  if (ctx.json) write_result(boost::json::serialize(boost::json::object{{"scenarios", documents}}) + "\n");
  return findings;
}

void run(const run_options& options, context& ctx) {
  if (!options.record.empty() && !options.connect.empty())
    throw input_error("--record and --connect: a recording is made where the machine is: `pvmmu serve --record FILE`");
  // All files are read before the first one runs: a mistake in the last should not come late.
  std::vector<scenario_file> files;
  files.reserve(options.scenarios.size());
  for (const auto& path : options.scenarios) files.push_back(scenario_file::read(path));
  check_items(options.kernel.items, files);
  std::optional<recorder> recorded;
  if (!options.record.empty())
    recorded.emplace(options.record, [&ctx](const std::string& text) { ctx.say("{}", text); });
  const u64 findings = run_all(files, options, recorded ? recorded->listens() : xen::server_listener_factory(), ctx);
  if (recorded) recorded->check();
  if (findings != 0) ctx.status = exit_status::finding;
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
  command->footer(footer());
  command->callback([options, &ctx] { run(*options, ctx); });
}

}  // namespace pvmmu::tools
