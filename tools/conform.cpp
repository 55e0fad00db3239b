// `pvmmu conform`: the same programs on the real Xen and on the model.

#include <CLI/CLI.hpp>
#include <filesystem>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "tools/command.h"
#include "tools/conform/comparison.h"
#include "tools/conform/generator.h"
#include "tools/conform/model_side.h"
#include "tools/conform/outcome_table.h"
#include "tools/conform/shrink.h"
#include "tools/progress.h"

namespace pvmmu::tools {
namespace {

struct conform_options {
  u64 hypercalls = 200'000;
  std::optional<u64> seed;
};

constexpr u64 programs_a_round = 12'000;
constexpr std::size_t most_shown = 10;

std::unique_ptr<conform::subject> model_of(const lab::machine_facts& facts) {
  return std::make_unique<conform::model_side>(facts);
}

struct found {
  lab::program program;
  conform::difference differs;
};

class campaign {
 public:
  campaign(const lab::lab& real, const conform_options& options, const context& ctx)
      : real_(real), options_(options), ctx_(ctx), programs_(*options.seed) {}

  void run() {
    progress bar("comparing", options_.hypercalls, ctx_.shows_progress());
    while (calls_ < options_.hypercalls) {
      std::vector<lab::program> round;
      u64 calls = calls_;
      while (calls < options_.hypercalls && round.size() < programs_a_round) {
        round.push_back(programs_.next());
        calls += round.back().calls.size();
      }
      const auto counting = [this](const lab::machine_facts& facts) {
        return std::make_unique<conform::model_side>(facts, &outcomes_);
      };
      const auto result = conform::compare(real_, round, counting, [&](const conform::outcome& o) {
        calls_ += round[o.program].calls.size();
        bar.step(round[o.program].calls.size());
        if (!o.differs) return;
        ++differ_;
        if (found_.size() < most_shown) found_.push_back({round[o.program], *o.differs});
      });
      boots_ += result.boots;
      differ_ += result.shared.size();
      for (const conform::difference& d : result.shared) shared_.push_back(d);
    }
  }

  void report() const {
    std::vector<lab::program> programs;
    for (const found& f : found_) programs.push_back(f.program);
    const std::vector<lab::program> small = conform::shrink(programs, [this](auto candidates, auto) {
      std::vector<bool> shows(candidates.size());
      conform::compare(real_, candidates, model_of,
                       [&](const conform::outcome& o) { shows[o.program] = o.differs.has_value(); });
      return shows;
    });
    for (std::size_t i = 0; i < found_.size(); ++i)
      fmt::print("{}: real {} | model {}   ({} calls, shrunk to {})\n", found_[i].differs.where, found_[i].differs.real,
                 found_[i].differs.model, programs[i].calls.size(), small[i].calls.size());
    for (const auto& d : shared_) fmt::print("{}: real {} | model {}\n", d.where, d.real, d.model);
    fmt::print("{}", outcomes_.text(100));
    fmt::print("seed {}, {} boots of Xen {}\n", *options_.seed, boots_, real_.xen_version());
    fmt::print("{} calls, {} differ\n", calls_, differ_);
  }
  bool differ() const { return differ_ != 0; }

 private:
  const lab::lab& real_;
  const conform_options& options_;
  const context& ctx_;
  conform::generator programs_;
  u64 calls_ = 0;
  u64 boots_ = 0;
  u64 differ_ = 0;
  std::vector<found> found_;
  conform::outcome_table outcomes_;
  std::vector<conform::difference> shared_;
};

}  // namespace

void add_conform_command(CLI::App& app, context& ctx) {
  auto options = std::make_shared<conform_options>();
  CLI::App* command = app.add_subcommand("conform", "Hold the model against the real Xen, call for call");
  command->add_option("--hypercalls", options->hypercalls, "How many calls, at least")->capture_default_str();
  command->add_option("--seed", options->seed, "Which programs; default: new ones every time");
  command->callback([options, &ctx] {
    if (!options->seed) options->seed = std::random_device{}();
    const lab::lab real{{.probe = PVMMU_PROBE}};
    campaign c{real, *options, ctx};
    c.run();
    c.report();
    if (c.differ()) ctx.status = exit_status::finding;
  });
}

}  // namespace pvmmu::tools
