#include "tools/conform/comparison.h"

#include <algorithm>
#include <future>

namespace pvmmu::conform {
namespace {

using state = lab::program_answer::state;

/// The programs from `first` on that one boot ended, or that crashed it.
boot run_some(const lab::lab& real, std::span<const lab::program> all, std::size_t first) {
  const std::span<const lab::program> programs = all.subspan(first);
  const std::size_t number = real.batch(programs);
  if (number == 0) throw lab::lab_error("a program needs more frames or answers than one boot has");
  boot b{first, programs.first(number), real.run(programs.first(number))};
  const auto not_run = std::ranges::find(b.session.answers, state::not_run, &lab::program_answer::how);
  const auto run = static_cast<std::size_t>(not_run - b.session.answers.begin());
  if (run == 0) throw lab::lab_error("the probe ran none of the programs:\n" + b.session.serial);
  b.programs = programs.first(run);
  return b;
}

}  // namespace

void run_boots(const lab::lab& real, std::span<const lab::program> programs,
               const std::function<void(const boot&)>& take) {
  const auto start = [&](std::size_t first) {
    return std::async(std::launch::async, [&real, programs, first] { return run_some(real, programs, first); });
  };
  std::future<boot> next;
  if (!programs.empty()) next = start(0);
  while (next.valid()) {
    const boot b = next.get();
    const std::size_t end = b.first + b.programs.size();
    if (end < programs.size()) next = start(end);
    take(b);
  }
}

void compare(const boot& b, const subject_maker& make_subject, const std::function<void(const outcome&)>& take,
             comparison& result) {
  const std::unique_ptr<subject> model = make_subject(b.session.facts);
  std::vector<lab::program_answer> answers;
  answers.reserve(b.programs.size());
  for (std::size_t i = 0; i < b.programs.size(); ++i)
    answers.push_back(model->run(b.programs[i], b.session.answers[i]));
  const std::span<const lab::program_answer> real{b.session.answers.data(), b.programs.size()};
  std::vector<std::optional<difference>> differences;
  differences.reserve(real.size());
  for (std::size_t i = 0; i < real.size(); ++i)
    differences.push_back(compare(real[i], *b.session.memory, answers[i], *model));
  if (!b.session.after_foreign.empty()) {
    // Else a program crashed the domain: mid-way, the shared frames are in nobody's final state.
    if (auto d = compare_shared(real.back(), *b.session.memory, *model)) result.shared.push_back(std::move(*d));
    model->destroy_foreign_domain();
    for (std::size_t i = 0; i < real.size(); ++i)
      if (!differences[i]) differences[i] = compare_after_foreign(real[i], b.session.after_foreign, *model);
  }
  for (std::size_t i = 0; i < real.size(); ++i) take({b.first + i, real[i], answers[i], differences[i], b.session});
  ++result.boots;
}

comparison compare(const lab::lab& real, std::span<const lab::program> programs, const subject_maker& make_subject,
                   const std::function<void(const outcome&)>& take) {
  comparison result;
  run_boots(real, programs, [&](const boot& b) { compare(b, make_subject, take, result); });
  return result;
}

}  // namespace pvmmu::conform
