// pvmmu run: scenarios, step by step.

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <memory>

#include "tools/command.h"
#include "tools/report/report.h"
#include "tools/runner.h"

namespace pvmmu::tools {

namespace {

struct run_options {
  std::vector<std::string> scenarios;
  std::string connect;
};

void run(const run_options& options, context& ctx) {
  // All files are read before the first one runs: a mistake in the last should not come late.
  std::vector<scenario_file> files;
  files.reserve(options.scenarios.size());
  for (const auto& path : options.scenarios) files.push_back(scenario_file::read(path));
  connection server(options.connect);
  boost::json::array documents;
  u64 findings = 0;
  for (const scenario_file& file : files) {
    progress bar(file.name(), static_cast<u64>(file.content().step_size()), ctx.shows_progress());
    const journal j = run_scenario(file, server, &bar);
    bar.clear();
    findings += j.count_findings();
    if (ctx.json)
      documents.push_back(json_report(j));
    else
      write_result((&file == &files.front() ? "" : "\n") + text_report(j, ctx.colored()));
  }
  if (ctx.json) write_result(boost::json::serialize(boost::json::object{{"scenarios", documents}}) + "\n");
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
  command->footer(
      "Example: pvmmu run examples/pmd-move.textproto\n"
      "Exit status 1 where something is not as the scenario expects.");
  command->callback([options, &ctx] { run(*options, ctx); });
}

}  // namespace pvmmu::tools
