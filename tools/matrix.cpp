#include "tools/matrix.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json/serialize.hpp>
#include <memory>

#include "tools/command.h"
#include "tools/report/call_sequence.h"
#include "tools/runner.h"
#include "tools/scenario_names.h"

namespace pvmmu::tools {

namespace {

matrix_row row_of(const journal& j) {
  matrix_row row;
  tally_taker measured;
  tally_taker all;
  std::vector<const step_log*> steps;
  for (const step_log& s : j.steps) {
    all.add(s);
    row.findings.insert(row.findings.end(), s.findings.begin(), s.findings.end());
    if (!s.measured) continue;
    measured.add(s);
    steps.push_back(&s);
  }
  row.measured = measured.result();
  row.sequence = call_sequence(steps);
  const tally whole = all.result();
  row.messages = whole.xen_messages;
  for (const auto& line : whole.linux_messages) row.messages.push_back((line.starts_with(' ') ? "" : "Linux: ") + line);
  return row;
}

void check_fit(const scenario_file& file) {
  const auto& all = file.content();
  if (std::ranges::none_of(all.step(), [](const auto& s) { return s.measure(); }))
    file.fail(all, {}, "matrix counts what marked steps do: expected measure: true in at least one step");
  if (std::ranges::none_of(all.domain(), [](const auto& d) { return d.has_kernel(); }))
    file.fail(all, {}, "matrix compares kernels: expected a domain with kernel { … }");
}

struct matrix_options {
  std::string scenario;
  std::string connect;
};

void run_command(const matrix_options& options, context& ctx) {
  const scenario_file file = scenario_file::read(options.scenario);
  connection server(options.connect);
  const matrix m = run_matrix(file, server, ctx.shows_progress());
  write_result(ctx.json ? boost::json::serialize(json_report(m)) + "\n" : text_report(m, ctx.colored()));
  if (m.count_findings() != 0) ctx.status = exit_status::finding;
}

std::string footer() {
  std::string text = "Example: pvmmu matrix examples/pmd-move.textproto\n\nKernels:\n";
  for (const auto& p : guest::kernel_profiles()) text += fmt::format("  {:<11} {}\n", p.name, p.stands_for);
  return text + "Each with CONFIG_NR_CPUS=8192 (split page-table locks) and CONFIG_NR_CPUS=2 (not split).";
}

}  // namespace

u64 matrix::count_findings() const {
  u64 n = 0;
  for (const auto& row : rows) n += row.findings.size();
  return n;
}

matrix run_matrix(const scenario_file& file, connection& server, bool shows_progress) {
  check_fit(file);
  matrix m;
  m.title = file.content().title();
  m.file = file.name();
  const auto profiles = guest::kernel_profiles();
  progress bar(file.name(), 2 * profiles.size(), shows_progress);
  for (const auto& profile : profiles)
    for (const bool split : {true, false}) {
      const journal j =
          run_scenario_under(file, server, {.profile = &profile, .nr_cpus = split ? nr_cpus_split : nr_cpus_not_split});
      matrix_row& row = m.rows.emplace_back(row_of(j));
      row.profile = &profile;
      row.split = split;
      m.debug_build = j.machine.debug_build;
      m.measured_steps.clear();
      for (const step_log& s : j.steps)
        if (s.measured) m.measured_steps.push_back(s.action);
      bar.step();
    }
  for (const auto& s : file.content().step())
    if (s.has_read()) m.checked_reads += std::ranges::any_of(s.expect(), [](const auto& e) { return e.has_value(); });
  return m;
}

void add_matrix_command(CLI::App& app, context& ctx) {
  auto* command =
      app.add_subcommand("matrix", "Run a scenario under every kernel, with split page-table locks and without");
  const auto options = std::make_shared<matrix_options>();
  command->add_option("SCENARIO", options->scenario, "A scenario file with steps marked `measure: true`")->required();
  command->add_option("--connect", options->connect, "A server: unix:PATH or [HOST:]PORT; default: in this process")
      ->type_name("ADDRESS");
  command->footer(footer());
  command->callback([options, &ctx] { run_command(*options, ctx); });
}

}  // namespace pvmmu::tools
