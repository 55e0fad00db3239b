// The `pvmmu` command: reads the command line, runs one subcommand, and says by its exit status how it ended.

#include <CLI/CLI.hpp>
#include <exception>
#include <map>

#include "tools/command.h"
#include "tools/lab/lab_error.h"

using pvmmu::tools::color_choice;
using pvmmu::tools::context;
using pvmmu::tools::exit_status;

namespace {

void add_common_options(CLI::App& app, context& ctx) {
  const std::map<std::string, color_choice> choices{
      {"auto", color_choice::automatic}, {"always", color_choice::always}, {"never", color_choice::never}};
  app.add_flag("--json", ctx.json, "Print one JSON document on stdout");
  app.add_option("--color", ctx.color, "Colour the output: auto, always or never")
      ->transform(CLI::CheckedTransformer(choices).description(""))
      ->type_name("WHEN");
  app.add_flag("--quiet", ctx.quiet, "Results and errors only: no talk, no progress bar");
  app.set_version_flag("--version", "pvmmu " PVMMU_VERSION, "Print the version and exit");
}

void add_subcommands(CLI::App& app, context& ctx) {
  using namespace pvmmu::tools;
  add_run_command(app, ctx);
  add_matrix_command(app, ctx);
  add_serve_command(app, ctx);
  add_import_command(app, ctx);
  add_replay_command(app, ctx);
  add_initrd_command(app, ctx);
  add_record_command(app, ctx);
  add_compare_command(app, ctx);
  add_conform_command(app, ctx);
  add_show_command(app, ctx);
  add_why_command(app, ctx);
  add_diff_command(app, ctx);
}

int complain(const std::exception& e, exit_status status) {
  fmt::print(stderr, "pvmmu: {}\n", e.what());
  return static_cast<int>(status);
}

}  // namespace

int main(int argc, char** argv) {
  context ctx;
  CLI::App app{"Watch, test and break the paravirtual MMU of Xen without a Xen machine.", "pvmmu"};
  app.require_subcommand(1);
  app.fallthrough();  // the common options may stand before or after the subcommand
  app.footer(
      "Example: pvmmu run examples/pmd-move.textproto\n`pvmmu SUBCOMMAND --help` shows more.\n"
      "Exit status: 0 all as expected, 1 a finding, 2 bad usage or input, 3 the tool failed.");
  add_common_options(app, ctx);
  add_subcommands(app, ctx);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {  // --help, --version
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    app.exit(e);
    return static_cast<int>(exit_status::bad_input);
  } catch (const pvmmu::tools::input_error& e) {
    return complain(e, exit_status::bad_input);
  } catch (const pvmmu::lab::lab_input_error& e) {
    return complain(e, exit_status::bad_input);
  } catch (const std::exception& e) {
    return complain(e, exit_status::tool_failed);
  }
  return static_cast<int>(ctx.status);
}
