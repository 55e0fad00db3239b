#include "tools/conform/comparison.h"

#include <algorithm>
#include <future>

namespace pvmmu::conform {
namespace {

using state = lab::program_answer::state;

/// The programs of one boot, from the first on, that ended or crashed.
struct boot {
  std::span<const lab::program> programs;
  lab::session session;
};

boot run_some(const lab::lab& real, std::span<const lab::program> programs) {
  const std::size_t number = real.batch(programs);
  if (number == 0) throw lab::lab_error("a program needs more frames or answers than one boot has");
  boot b{programs.first(number), real.run(programs.first(number))};
  const auto not_run = std::ranges::find(b.session.answers, state::not_run, &lab::program_answer::how);
  const auto run = static_cast<std::size_t>(not_run - b.session.answers.begin());
  if (run == 0) throw lab::lab_error("the probe ran none of the programs:\n" + b.session.serial);
  b.programs = programs.first(run);
  return b;
}

void compare_boot(const boot& b, std::size_t first, const subject_maker& make_subject,
                  const std::function<void(const outcome&)>& take, comparison& result) {
  const std::unique_ptr<subject> model = make_subject(b.session.facts);
  std::vector<lab::program_answer> answers;
  for (std::size_t i = 0; i < b.programs.size(); ++i)
    answers.push_back(model->run(b.programs[i], b.session.answers[i]));
  bool crashed = false;
  for (std::size_t i = 0; i < b.programs.size(); ++i) {
    const lab::program_answer& real = b.session.answers[i];
    crashed |= real.how == state::crashed;
    take({first + i, real, answers[i], compare(real, *b.session.memory, answers[i], *model)});
  }
  ++result.boots;
  if (crashed) return;  // mid-way, the shared frames are in nobody's final state
  if (auto d = compare_shared(b.session.answers[b.programs.size() - 1], *b.session.memory, *model))
    result.shared.push_back(std::move(*d));
}

}  // namespace

comparison compare(const lab::lab& real, std::span<const lab::program> programs, const subject_maker& make_subject,
                   const std::function<void(const outcome&)>& take) {
  comparison result;
  std::size_t first = 0;
  // The next boot runs while this one's answers are compared.
  const auto start = [&](std::size_t from) {
    return std::async(std::launch::async, [&real, rest = programs.subspan(from)] { return run_some(real, rest); });
  };
  std::future<boot> next;
  if (!programs.empty()) next = start(0);
  while (first < programs.size()) {
    const boot b = next.get();
    const std::size_t end = first + b.programs.size();
    if (end < programs.size()) next = start(end);
    compare_boot(b, first, make_subject, take, result);
    first = end;
  }
  return result;
}

}  // namespace pvmmu::conform
