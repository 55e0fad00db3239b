// `pvmmu conform`: the same programs on the real Xen and on the model.

#include <CLI/CLI.hpp>
#include <fstream>
#include <memory>
#include <optional>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "tools/command.h"
#include "tools/conform/only.h"
#include "tools/conform/program_text.h"
#include "tools/conform_report.h"
#include "tools/progress.h"

namespace pvmmu::tools {
namespace {

struct conform_options {
  u64 hypercalls = 200'000;
  std::optional<u64> seed;
  std::string only;
  std::vector<std::string> files;
};

conform::named_program read_program(const std::string& path) {
  std::ifstream in(path);
  if (!in) throw input_error(fmt::format("{}: a file with a program is expected, but it cannot be read", path));
  std::ostringstream text;
  text << in.rdbuf();
  auto program = conform::parse_program(text.str(), path);
  if (!program) throw input_error(program.error());
  if (program->title.empty()) program->title = path;
  return std::move(*program);
}

void save(const std::string& path, const conform::finding& f) {
  std::ofstream out(path);
  const std::string title =
      fmt::format("the model differs at {}: real {}, model {}", f.differs.where, f.differs.real, f.differs.model);
  const conform::seen real{.answer = f.real};
  out << conform::print_program(f.program, title, &real);
  if (!out.flush()) throw std::runtime_error(fmt::format("{} cannot be written", path));
}

void check_files(const lab::lab& real, const conform_options& options, conform_report& report) {
  for (const std::string& path : options.files) report.programs.push_back(read_program(path));
  report.checked = conform::check(real, report.programs, conform::make_model);
}

void run_campaign(const lab::lab& real, const conform_options& options, const context& ctx, conform_report& report) {
  const u64 seed = options.seed ? *options.seed : std::random_device{}();
  report.seed = seed;
  ctx.say("seed {}", seed);
  {
    progress bar("comparing", options.hypercalls, ctx.shows_progress());
    report.campaign =
        conform::run_campaign(real, {.hypercalls = options.hypercalls, .seed = seed, .only = options.only},
                              [&](u64 calls) { bar.step(calls); });
  }
  for (std::size_t i = 0; i < report.campaign.found.size(); ++i) {
    report.saved.push_back(fmt::format("conform-{}-{}.textproto", seed, i + 1));
    save(report.saved.back(), report.campaign.found[i]);
  }
}

void conform_command(const conform_options& options, context& ctx) {
  const lab::lab real{{.probe = PVMMU_PROBE}};
  conform_report report{.xen_version = real.xen_version(), .seed = {}};
  options.files.empty() ? run_campaign(real, options, ctx, report) : check_files(real, options, report);
  write_result(ctx.json ? report_json(report) : report_text(report));
  if (report.differ() != 0 || report.unmet() != 0) ctx.status = exit_status::finding;
}

}  // namespace

void add_conform_command(CLI::App& app, context& ctx) {
  auto options = std::make_shared<conform_options>();
  CLI::App* command = app.add_subcommand("conform", "Hold the model against the real Xen, call for call");
  command->footer(
      "Boots Debian's Xen in QEMU, with a guest that runs programs of calls, and runs the same programs on the model.\n"
      "Without files: random programs. Each difference is shrunk and saved as a file that runs again.\n"
      "Example: pvmmu conform --hypercalls 20000 --seed 1\n"
      "         pvmmu conform examples/refusals.textproto\n"
      "Needs qemu-system-x86_64, and once a Debian archive; without them the exit status is 3.");
  auto* hypercalls = command->add_option("--hypercalls", options->hypercalls, "How many calls, at least")
                         ->capture_default_str()
                         ->check(CLI::PositiveNumber)
                         ->type_name("N");
  auto* seed =
      command->add_option("--seed", options->seed, "Which programs; default: others every time")->type_name("S");
  const auto names = conform::call_names();
  auto* only = command->add_option("--only", options->only, "Calls of one kind, and the pins that they need")
                   ->check(CLI::IsMember(std::vector<std::string>(names.begin(), names.end())))
                   ->type_name("OP");
  command->add_option("FILE", options->files, "Programs: scenarios of a DOM0 in which no kernel runs")
      ->excludes(hypercalls)
      ->excludes(seed)
      ->excludes(only);
  command->callback([options, &ctx] { conform_command(*options, ctx); });
}

}  // namespace pvmmu::tools
