// pvmmu why: who holds a frame's counts, behind any step of a recording.

#include <CLI/CLI.hpp>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <memory>

#include "tools/command.h"
#include "tools/report/paint.h"
#include "tools/why/account_text.h"

namespace pvmmu::tools {
namespace {

struct why_options {
  std::string path;
  std::string mfn;
  std::string step = "last";
};

/// Hexadecimal, with or without 0x, as every message has it.
mfn_t parse_mfn(const std::string& text) {
  const std::string_view digits = std::string_view(text).substr(text.starts_with("0x") ? 2 : 0);
  mfn_t mfn;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), mfn.n, 16);
  if (digits.empty() || error != std::errc{} || end != digits.data() + digits.size())
    throw input_error(fmt::format("--mfn {}: a hexadecimal number is expected", text));
  return mfn;
}

u64 parse_step(const timeline& t, const std::string& text) {
  if (text == "last") return t.last();
  u64 step = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), step);
  if (error != std::errc{} || end != text.data() + text.size() || step > t.size())
    throw input_error(fmt::format("--step {}: 0 to {} or last is expected", text, t.size()));
  return step;
}

void why_frame(timeline& t, const why_options& options, context& ctx) {
  const u64 step = parse_step(t, options.step);
  const frame_account account = account_for(t, xens_share(t), parse_mfn(options.mfn), step);
  write_result(ctx.json ? boost::json::serialize(account_json(account)) + "\n"
                        : paint(account_text(account), ctx.colored()));
  if (!account.sum.adds_up()) ctx.status = exit_status::finding;
}

}  // namespace

void add_why_command(CLI::App& app, context& ctx) {
  CLI::App* command = app.add_subcommand("why", "Say who holds a frame's counts, and since when");
  const auto options = std::make_shared<why_options>();
  command->add_option("FILE", options->path, "A recording, of the real thing or of the model")->required();
  command->add_option("--mfn", options->mfn, "The frame")->type_name("HEX")->required();
  command->add_option("--step", options->step, "Behind this step; 0: before the first")->type_name("N|last");
  command->footer(
      "Holders are found by reading memory, never the counts; then both are compared.\n"
      "Example: pvmmu why l61-fork.rec --mfn 9a3f --step 51\n"
      "Exit status 1 where the counts do not add up.");
  command->callback([options, &ctx] {
    timeline t = timeline::open(options->path, ctx.shows_progress());
    why_frame(t, *options, ctx);
  });
}

}  // namespace pvmmu::tools
