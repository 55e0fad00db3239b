#include <unistd.h>
#include <CLI/CLI.hpp>
#include <memory>
#include <optional>

#include "tools/command.h"
#include "tools/formats/ftrace.h"
#include "tools/formats/perfetto.h"
#include "tools/hex_option.h"
#include "tools/show/show_text.h"
#include "tools/show/terminal.h"

namespace pvmmu::tools {
namespace {

constexpr std::size_t bytes_a_write = std::size_t{1} << 16;

/// As the user gave them.
struct show_options {
  show_request request;
  bool interactive = false;
  std::string format;  ///< "ftrace" or "perfetto"; empty: our own
  std::string mfn;
  std::string va;
  std::string cr3;
};

std::optional<u64> given(const std::string& option, const std::string& text) {
  return text.empty() ? std::nullopt : std::optional(parse_hex(option, text));
}

std::optional<mfn_t> given_mfn(const std::string& option, const std::string& text) {
  return text.empty() ? std::nullopt : std::optional(mfn_t{parse_hex(option, text)});
}

show_request parse(const show_options& options) {
  show_request request = options.request;
  request.mfn = given_mfn("--mfn", options.mfn);
  request.cr3 = given_mfn("--cr3", options.cr3);
  request.va = given("--va", options.va);
  if (request.va && !addr_ok(*request.va))
    throw input_error(
        fmt::format("--va {:#x}: an address of the guest is expected: canonical, and none of Xen's", *request.va));
  if (request.cr3 && !request.tree && !request.va) throw input_error("--cr3 goes with --tree or --va");
  if (request.mfn && request.tree) throw input_error("--mfn does not go with --tree; --cr3 and --va do");
  if (request.changes && request.tree) throw input_error("--changes does not go with --tree, which marks them");
  return request;
}

/// Where there is no terminal to use, says so; then the plain form is for the caller to print.
bool browsed(timeline& t, const show_request& request, const context& ctx) {
  if (t.size() == 0) throw input_error(fmt::format("{}: the recording has no steps", request.path));
  auto term = terminal::open(ctx.colored());
  if (!term) {
    ctx.say("--interactive: {}; this is the plain form", term.error());
    return false;
  }
  timeline_steps steps(t);
  browser b(fmt::format("{}  {}", request.path, t.header().guest()), steps);
  if (const step_range range = parse_steps(request.steps, t.size(), false); !request.steps.empty())
    b.go_to_step(range.first);
  browse(**term, b);
  return true;
}

/// The whole recording, as others write such things.
void write_format(const std::string& format, timeline& t, const context& ctx) {
  std::string waiting;
  const auto out = [&](std::string_view text) {
    waiting += text;
    if (waiting.size() < bytes_a_write) return;
    write_result(waiting);
    waiting.clear();
  };
  std::size_t left_out = 0;
  if (format == "ftrace")
    write_ftrace(t, out);
  else if (isatty(STDOUT_FILENO) != 0)
    throw input_error("--format perfetto writes bytes, no text: a file is expected behind >, or a pipe");
  else
    left_out = write_perfetto(t, out);
  write_result(waiting);
  if (left_out != 0)
    ctx.say("{} page tables more changed their type counts; the first {} have counters", left_out, max_counter_tracks);
}

void run_show(const show_options& options, const context& ctx) {
  const show_request request = parse(options);
  timeline t = timeline::open(request.path, ctx.shows_progress());
  if (!options.format.empty()) return write_format(options.format, t, ctx);
  check_frame(t, "--mfn", request.mfn);
  check_frame(t, "--cr3", request.cr3);
  if (options.interactive && !ctx.json && browsed(t, request, ctx)) return;
  if (ctx.json) return show_json(t, request, write_result);
  show_text(t, request, ctx.colored(), write_result);
}

}  // namespace

void add_show_command(CLI::App& app, context& ctx) {
  CLI::App* command = app.add_subcommand("show", "Show a recording step by step, and the page tables behind a step");
  auto options = std::make_shared<show_options>();
  show_request& request = options->request;
  command->add_option("FILE", request.path, "A recording, of the real thing or of the model")->required();
  command->add_option("--step", request.steps, "These steps in full")->type_name("N|last|A-B");
  command->add_option("--mfn", options->mfn, "Only steps that touch this frame")->type_name("HEX");
  command
      ->add_option("--va", options->va,
                   "Only steps that change an entry on the way to this address; with --tree,\n"
                   "only that way")
      ->type_name("HEX");
  command->add_flag("--changes", request.changes, "Only what changed");
  command->add_flag("--tree", request.tree, "The page tables behind a step, or behind the last");
  command->add_option("--cr3", options->cr3, "With --tree or --va: the address space of this L4")->type_name("HEX");
  command->add_flag("--interactive", options->interactive, "Look through it on the terminal; ? lists the keys");
  CLI::Option* format =
      command
          ->add_option("--format", options->format,
                       "The whole recording for other tools: ftrace, the kernel's trace events xen:*\n"
                       "(of a real recording those that follow from its hypercalls); perfetto, for\n"
                       "ui.perfetto.dev")
          ->check(CLI::IsMember({"ftrace", "perfetto"}));
  for (CLI::Option* other : command->get_options(
           [&](const CLI::Option* o) { return o != format && !o->get_positional() && o->get_name() != "--help"; }))
    format->excludes(other);
  command->footer(
      "Without --step: a line for each step. All calls are made again in the model, which tells what they changed.\n"
      "Examples: pvmmu show l61-fork.rec\n"
      "          pvmmu show l61-fork.rec --step 51\n"
      "          pvmmu show l61-fork.rec --mfn 329e6\n"
      "          pvmmu show l61-fork.rec --step 51 --tree --va 7f0000000000\n"
      "          pvmmu show l61-fork.rec --interactive\n"
      "          pvmmu show l61-fork.rec --format perfetto > l61-fork.pftrace\n"
      "There is no clock: --format ftrace has the step that follows as seconds, and the event's place before it as\n"
      "microseconds; --format perfetto has 100 ns from one packet to the next, and the step with each call.");
  command->callback([options, &ctx] { run_show(*options, ctx); });
}

}  // namespace pvmmu::tools
