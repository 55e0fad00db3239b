// pvmmu diff: two recorded runs side by side.

#include <sys/ioctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "tools/command.h"
#include "tools/diff/diff_text.h"

namespace pvmmu::tools {
namespace {

constexpr std::size_t columns_of_no_terminal = 120;

struct diff_options {
  std::string a;
  std::string b;
};

std::size_t columns_of_stdout() {
  winsize size{};
  const bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col != 0;
  return known ? size.ws_col : columns_of_no_terminal;
}

timeline opened(const std::string& path, const context& ctx) {
  if (path.ends_with(".textproto"))
    throw input_error(fmt::format(
        "{}: a scenario, where a recording is expected: `pvmmu run {} --record FILE` makes one", path, path));
  return timeline::open(path, ctx.shows_progress());
}

void diff_runs(const diff_options& options, context& ctx) {
  timeline a = opened(options.a, ctx), b = opened(options.b, ctx);
  const diff_side side_a{options.a, a}, side_b{options.b, b};
  const bool alike = ctx.json ? diff_json(side_a, side_b, write_result)
                              : diff_text(side_a, side_b, columns_of_stdout(), ctx.colored(), write_result);
  if (!alike) ctx.status = exit_status::finding;
}

}  // namespace

void add_diff_command(CLI::App& app, context& ctx) {
  CLI::App* command = app.add_subcommand("diff", "Two recorded runs side by side: calls, state, cost");
  const auto options = std::make_shared<diff_options>();
  command->add_option("A", options->a, "A recording, of the real thing or of the model")->required();
  command->add_option("B", options->b, "Another one")->required();
  command->footer(
      "Steps of the scenario are held against each other, and in each the calls with all that they changed. Frames "
      "may\n"
      "have other numbers: tables are told by the addresses that they translate, pages not at all. Which kernel\n"
      "function asked makes no difference.\n"
      "  no mark   alike        |   they differ        <   in A alone        >   in B alone\n"
      "Example: pvmmu run examples/clear-before-set.textproto --record clear.rec\n"
      "         pvmmu run examples/set-before-clear.textproto --record set.rec\n"
      "         pvmmu diff clear.rec set.rec\n"
      "Exit status 0 where nothing differs, 1 where something does.");
  command->callback([options, &ctx] { diff_runs(*options, ctx); });
}

}  // namespace pvmmu::tools
