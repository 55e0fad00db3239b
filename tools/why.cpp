// pvmmu why: who holds a frame's counts, behind any step of a recording.

#include <CLI/CLI.hpp>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <memory>
#include <optional>

#include "tools/command.h"
#include "tools/hex_option.h"
#include "tools/report/paint.h"
#include "tools/why/account_text.h"
#include "tools/why/refusal_text.h"

namespace pvmmu::tools {
namespace {

struct why_options {
  std::string path;
  std::string mfn;
  std::string step = "last";
  std::optional<u64> refused;
};

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
  const frame_account account = account_for(t, xens_share(t), mfn_t{parse_hex("--mfn", options.mfn)}, step);
  write_result(ctx.json ? boost::json::serialize(account_json(account)) + "\n"
                        : paint(account_text(account), ctx.colored()));
  if (!account.sum.adds_up()) ctx.status = exit_status::finding;
}

/// Steps in which something was refused; at most `limit`.
std::vector<u64> refused_steps(timeline& t, std::size_t limit) {
  std::vector<u64> steps;
  for (u64 n = t.size() == 0 ? 0 : t.next(0); n != 0 && steps.size() < limit; n = t.next(n)) {
    t.go_to(n);
    if (has_refusal(t.step())) steps.push_back(n);
  }
  return steps;
}

constexpr u64 first_refusal = 0;

/// The step that is asked for; throws input_error where nothing was refused, and says where something was.
u64 refused_step(timeline& t, u64 asked) {
  constexpr std::size_t told = 20;
  if (asked > t.size()) throw input_error(fmt::format("--refused {}: 1 to {} is expected", asked, t.size()));
  if (asked != first_refusal) {
    t.go_to(asked);
    if (has_refusal(t.step())) return asked;
  }
  const std::vector<u64> steps = refused_steps(t, asked == first_refusal ? 1 : told);
  if (steps.empty()) throw input_error("nothing was refused in this recording");
  if (asked == first_refusal) return steps.front();
  throw input_error(fmt::format("--refused {}: nothing was refused in this step, but in {}{}", asked,
                                fmt::join(steps, ", "), steps.size() == told ? ", …" : ""));
}

void why_refused(timeline& t, u64 asked, const context& ctx) {
  const auto refused = refusals_of(t, refused_step(t, asked));
  write_result(ctx.json ? boost::json::serialize(refusal_json(t.step(), refused)) + "\n"
                        : paint(refusal_text(t.step(), refused), ctx.colored()));
}

}  // namespace

void add_why_command(CLI::App& app, context& ctx) {
  CLI::App* command = app.add_subcommand("why", "Say who holds a frame's counts, or why something was refused");
  const auto options = std::make_shared<why_options>();
  command->add_option("FILE", options->path, "A recording, of the real thing or of the model")->required();
  auto* const mfn = command->add_option("--mfn", options->mfn, "The frame whose counts are asked for");
  mfn->type_name("HEX");
  command->add_option("--step", options->step, "Behind this step; 0: before the first")
      ->type_name("N|last")
      ->needs(mfn);
  command->add_option("--refused", options->refused, "What was refused in this step; without N: the first refusal")
      ->type_name("[N]")
      ->expected(0, 1)
      ->default_str("0")
      ->excludes(mfn);
  command->footer(
      "Holders are found by reading memory, never the counts; then both are compared.\n"
      "Examples: pvmmu why l61-fork.rec --mfn 329e6 --step 51\n"
      "          pvmmu why double-pin.rec --refused\n"
      "Exit status 1 where the counts do not add up.");
  command->callback([options, &ctx] {
    timeline t = timeline::open(options->path, ctx.shows_progress());
    if (options->refused) return why_refused(t, *options->refused, ctx);
    if (options->mfn.empty()) throw input_error("--mfn HEX or --refused [N] is expected");
    why_frame(t, *options, ctx);
  });
}

}  // namespace pvmmu::tools
