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
bool crashed(const lab::program_answer& real) { return real.how == lab::program_answer::state::crashed; }

std::vector<lab::program> programs_of(const std::vector<finding>& all) {
  std::vector<lab::program> programs;
  programs.reserve(all.size());
  for (const finding& f : all) programs.push_back(f.program);
  return programs;
}

/// Leaves those that differ again in one of two more boots; the others go to `once`. A program has no time in it, so
/// what the model does wrong comes again.
std::vector<finding> that_come_again(const lab::lab& real, std::vector<finding> all, std::vector<difference>& once) {
  const std::vector<lab::program> programs = programs_of(all);
  std::vector<bool> again(all.size());
  for (int boot = 0; boot < 2; ++boot)
    compare(real, programs, make_model, [&](const outcome& o) {
      if (o.differs) again[o.program] = true;
    });
  std::vector<finding> rest;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (again[i])
      rest.push_back(std::move(all[i]));
    else
      once.push_back(std::move(all[i].differs));
  }
  return rest;
}

/// Each as short as it gets; as it was found where the short one does not differ alone, on a machine of its own.
std::vector<finding> shrink_all(const lab::lab& real, std::vector<finding> all) {
  const judge judge = [&](std::span<const lab::program> candidates, std::span<const std::size_t> of) {
    std::vector<bool> shows(candidates.size());
    compare(real, candidates, make_model, [&](const outcome& o) {
      shows[o.program] = o.differs.has_value() && crashed(o.real) == crashed(all[of[o.program]].real);
    });
    return shows;
  };
  const std::vector<lab::program> small = shrink(programs_of(all), judge);
  for (std::size_t i = 0; i < all.size(); ++i)
    compare(real, std::span(small).subspan(i, 1), make_model, [&](const outcome& o) {
      if (o.differs) all[i] = {small[i], o.real, o.model, *o.differs};
    });
  return all;
}

}  // namespace

std::unique_ptr<subject> make_model(const lab::machine_facts& facts) { return std::make_unique<model_side>(facts); }

campaign_report run_campaign(const lab::lab& real, const campaign_options& options,
                             const std::function<void(u64)>& progress) {
  campaign_report report;
  generator programs{options.seed};
  std::vector<finding> all;
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
      if (all.size() < most_run_again) all.push_back({p, o.real, o.model, *o.differs});
    });
    report.programs += round.size();
    report.boots += c.boots;
    report.differ += c.shared.size();
    report.shared.insert(report.shared.end(), c.shared.begin(), c.shared.end());
  }
  if (!all.empty()) all = that_come_again(real, std::move(all), report.once);
  report.differ -= report.once.size();
  if (all.size() > most_found) all.erase(all.begin() + most_found, all.end());
  if (!all.empty()) report.found = shrink_all(real, std::move(all));
  return report;
}

}  // namespace pvmmu::conform
