#include "tools/conform/campaign.h"

#include "tools/conform/generator.h"
#include "tools/conform/model_side.h"
#include "tools/conform/only.h"
#include "tools/conform/shrink.h"
#include "tools/conform/true_preemption.h"

namespace pvmmu::conform {
namespace {

/// Programs that are made and held in memory at a time: about a boot's.
constexpr std::size_t programs_a_round = 12'000;
/// Shrinking costs boots, and the tenth difference tells no more than the fifth.
constexpr std::size_t most_found = 5;

/// Where so many programs differ, it is no interrupt.
constexpr u64 most_explained = 20;
constexpr std::size_t most_run_again = 100;

std::vector<lab::program> next_round(generator& programs, const campaign_options& options, u64 calls) {
  std::vector<lab::program> round;
  while (calls < options.hypercalls && round.size() < programs_a_round) {
    lab::program p = programs.next();
    if (!options.only.empty()) keep_only(p, options.only);
    calls += p.calls.size();
    round.push_back(std::move(p));
  }
  return round;
}

/// A program whose L4 has lost the probe's own slots crashes the domain. What did not begin so must not shrink to it.
bool crashed(const outcome& o) { return o.real.how == lab::program_answer::state::crashed; }

struct differing {
  std::vector<lab::program> programs;
  std::vector<difference> seen;
  std::vector<bool> crashed;
};

/// Leaves those that differ again in one of two more boots; the others go to `once`. A program has no time in it, so
/// what the model does wrong comes again.
differing that_come_again(const lab::lab& real, const differing& all, std::vector<difference>& once) {
  std::vector<bool> again(all.programs.size());
  for (int boot = 0; boot < 2; ++boot)
    compare(real, all.programs, make_model, [&](const outcome& o) {
      if (o.differs) again[o.program] = true;
    });
  differing rest;
  for (std::size_t i = 0; i < again.size(); ++i) {
    if (!again[i]) {
      once.push_back(all.seen[i]);
      continue;
    }
    rest.programs.push_back(all.programs[i]);
    rest.seen.push_back(all.seen[i]);
    rest.crashed.push_back(all.crashed[i]);
  }
  return rest;
}

differing first_of(differing all, std::size_t number) {
  all.programs.resize(number);
  all.seen.resize(number);
  all.crashed.resize(number);
  return all;
}

std::vector<finding> shrink_all(const lab::lab& real, const differing& all) {
  const judge judge = [&](std::span<const lab::program> candidates, std::span<const std::size_t> of) {
    std::vector<bool> shows(candidates.size());
    compare(real, candidates, make_model, [&](const outcome& o) {
      shows[o.program] = o.differs.has_value() && crashed(o) == all.crashed[of[o.program]];
    });
    return shows;
  };
  const std::vector<lab::program> small = shrink(all.programs, judge);
  std::vector<finding> found;
  compare(real, small, make_model, [&](const outcome& o) {
    found.push_back({small[o.program], o.real, o.model, o.differs.value_or(difference{})});
  });
  return found;
}

}  // namespace

std::unique_ptr<subject> make_model(const lab::machine_facts& facts) { return std::make_unique<model_side>(facts); }

campaign_report run_campaign(const lab::lab& real, const campaign_options& options,
                             const std::function<void(u64)>& progress) {
  campaign_report report;
  generator programs{options.seed};
  differing all;
  const subject_maker counting = [&](const lab::machine_facts& facts) {
    return std::make_unique<model_side>(facts, &report.outcomes);
  };
  while (report.calls < options.hypercalls) {
    const std::vector<lab::program> round = next_round(programs, options, report.calls);
    const comparison c = compare(real, round, counting, [&](const outcome& o) {
      const lab::program& p = round[o.program];
      report.calls += p.calls.size();
      progress(p.calls.size());
      if (!o.differs) return;
      if (report.differ < most_explained && preempted_at(o.session, p, o.real)) {
        ++report.preempted;
        return;
      }
      ++report.differ;
      if (all.programs.size() == most_run_again) return;
      all.programs.push_back(p);
      all.seen.push_back(*o.differs);
      all.crashed.push_back(crashed(o));
    });
    report.programs += round.size();
    report.boots += c.boots;
    report.differ += c.shared.size();
    report.shared.insert(report.shared.end(), c.shared.begin(), c.shared.end());
  }
  if (!all.programs.empty()) all = that_come_again(real, all, report.once);
  report.differ -= report.once.size();
  if (all.programs.size() > most_found) all = first_of(all, most_found);
  if (!all.programs.empty()) report.found = shrink_all(real, all);
  return report;
}

}  // namespace pvmmu::conform
