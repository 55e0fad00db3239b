// The comparison with the real Xen can see: whichever rule the model lacks, a campaign finds it and shrinks it.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <functional>
#include <future>
#include <memory>
#include <numeric>
#include <thread>

#include "tests/conformance/mutants/module.h"
#include "tests/conformance/mutants/mutant.h"
#include "tests/conformance/mutants/trial.h"
#include "tools/conform/generator.h"
#include "tools/conform/shrink.h"

namespace pvmmu::conform {
namespace {

constexpr u64 seed = 1;
constexpr u64 campaign_calls = 200'000;
constexpr std::size_t programs_at_once = 64;

/// fn(0) … fn(number - 1), as many at a time as there are processors. Throws what the first one that fails throws.
void in_parallel(std::size_t number, const std::function<void(std::size_t)>& fn) {
  std::atomic<std::size_t> next = 0;
  std::vector<std::future<void>> workers(std::max(1u, std::thread::hardware_concurrency()));
  for (auto& worker : workers)
    worker = std::async(std::launch::async, [&] {
      for (std::size_t i = next++; i < number; i = next++) fn(i);
    });
  for (auto& worker : workers) worker.get();
}

/// A model without one rule, and the first program in which it is seen.
struct suspect {
  const mutant& broken;
  subject_maker make;
  lab::program program{};
  std::optional<difference> differs{};
  u64 found_after = 0;  ///< so many calls
};

std::vector<lab::program> campaign() {
  fmt::print("seed {}\n", seed);
  generator programs{seed};
  std::vector<lab::program> all;
  for (u64 calls = 0; calls < campaign_calls; calls += all.back().calls.size()) all.push_back(programs.next());
  return all;
}

std::string text_of(const difference& d) { return fmt::format("{}: real {} | model {}", d.where, d.real, d.model); }

class mutants_test : public testing::Test {
 protected:
  void SetUp() override {
    if (std::getenv("PVMMU_SKIP_LAB")) GTEST_SKIP() << "PVMMU_SKIP_LAB is set";
    real = std::make_unique<lab::lab>(lab::lab_options{.probe = PVMMU_PROBE});
  }

  void compile_all() {
    const std::filesystem::path folder{PVMMU_MUTANTS};
    std::vector<std::filesystem::path> modules(mutants().size());
    in_parallel(modules.size(),
                [&](std::size_t i) { modules[i] = compile_module(&mutants()[i], folder / mutants()[i].name); });
    for (std::size_t i = 0; i < modules.size(); ++i) suspects.push_back({mutants()[i], load_module(modules[i])});
    sound = load_module(compile_module(nullptr, folder / "none"));
  }

  /// Where a suspect differs from the real Xen. Run alone, a program lacks the frames of all others, which a stray
  /// entry may name: what the model differs in as well is no finding.
  std::vector<std::optional<difference>> differences(const suspect& s, const boot& b,
                                                     std::span<const std::size_t> which) const {
    auto found = try_programs(s.make, b, which);
    std::vector<std::size_t> differing;
    for (std::size_t i = 0; i < which.size(); ++i)
      if (found[i]) differing.push_back(i);
    std::vector<std::size_t> doubtful;
    for (const std::size_t i : differing) doubtful.push_back(which[i]);
    const auto by_itself = try_programs(sound, b, doubtful);
    for (std::size_t k = 0; k < by_itself.size(); ++k)
      if (by_itself[k]) found[differing[k]].reset();
    return found;
  }

  /// Holds a suspect against one boot's answers until something is found. `calls` were made before.
  void look_for(suspect& s, const boot& b, u64 calls) const {
    for (std::size_t first = 0; first < b.programs.size() && !s.differs; first += programs_at_once) {
      std::vector<std::size_t> which(std::min(programs_at_once, b.programs.size() - first));
      std::iota(which.begin(), which.end(), first);
      const auto found = differences(s, b, which);
      for (std::size_t i = 0; i < which.size() && !s.differs; ++i) {
        s.program = b.programs[which[i]];
        s.differs = found[i];
        s.found_after = calls += s.program.calls.size();
      }
    }
  }

  /// The campaign, run once: each suspect is held against its answers, and the model as it is, which agrees.
  void run_campaign() {
    auto compiled = std::async(std::launch::async, [this] { compile_all(); });
    const std::vector<lab::program> programs = campaign();
    std::vector<lab::program> doubtful;
    u64 calls = 0;
    run_boots(*real, programs, [&](const boot& b) {
      if (compiled.valid()) compiled.get();
      in_parallel(suspects.size(), [&](std::size_t i) { look_for(suspects[i], b, calls); });
      comparison all;
      compare(
          b, sound,
          [&](const outcome& o) {
            if (o.differs) doubtful.push_back(programs[o.program]);
          },
          all);
      for (const difference& d : all.shared) ADD_FAILURE() << text_of(d);
      for (const lab::program& p : b.programs) calls += p.calls.size();
    });
    // An interrupt may have come in the middle of a call: what it has done does not come again.
    compare(*real, doubtful, sound, [](const outcome& o) { EXPECT_FALSE(o.differs) << text_of(*o.differs); });
    fmt::print("{} calls on Xen {}, {} programs run again\n", calls, real->xen_version(), doubtful.size());
  }

  /// Where suspect of[i] differs in programs[i].
  std::vector<std::optional<difference>> hold(std::span<const lab::program> programs,
                                              std::span<const std::size_t> of) const {
    std::vector<std::optional<difference>> all(programs.size());
    run_boots(*real, programs, [&](const boot& b) {
      in_parallel(suspects.size(), [&](std::size_t suspect) {
        std::vector<std::size_t> which;
        for (std::size_t i = 0; i < b.programs.size(); ++i)
          if (of[b.first + i] == suspect) which.push_back(i);
        auto found = differences(suspects[suspect], b, which);
        for (std::size_t i = 0; i < which.size(); ++i) all[b.first + which[i]] = std::move(found[i]);
      });
    });
    return all;
  }

  /// The smallest programs in which the suspects are still seen.
  std::vector<lab::program> shrink_all() const {
    std::vector<lab::program> programs;
    for (const suspect& s : suspects) programs.push_back(s.differs ? s.program : lab::program{});
    return shrink(programs, [this](auto candidates, auto of) {
      std::vector<bool> seen;
      for (const auto& d : hold(candidates, of)) seen.push_back(d.has_value());
      return seen;
    });
  }

  std::unique_ptr<lab::lab> real;
  std::vector<suspect> suspects;
  subject_maker sound;  ///< the model as it is
};

// A campaign of CI's size on the real Xen sees every rule that is removed, and nothing in the model as it is; each
// finding shrinks to a few calls that show it again.
TEST_F(mutants_test, each_is_found_and_shrunk) {
  run_campaign();
  const std::vector<lab::program> small = shrink_all();
  std::vector<std::size_t> all(suspects.size());
  std::iota(all.begin(), all.end(), 0);
  auto differences = hold(small, all);
  // A frame that a program gives back may be another's before the boot ends, unless the program is the only one.
  for (const std::size_t i : all)
    if (suspects[i].differs && !differences[i]) differences[i] = hold(std::span(small).subspan(i, 1), {{i}})[0];
  for (std::size_t i = 0; i < suspects.size(); ++i) {
    const suspect& s = suspects[i];
    EXPECT_TRUE(s.differs) << s.broken.name << " is not seen: " << s.broken.rule;
    if (!s.differs) continue;
    EXPECT_TRUE(differences[i]) << s.broken.name << " is no longer seen in its shrunk program";
    fmt::print("{}: found after {} calls, {} calls shrunk to {}: {}\n", s.broken.name, s.found_after,
               s.program.calls.size(), small[i].calls.size(), text_of(differences[i].value_or(*s.differs)));
  }
}

}  // namespace
}  // namespace pvmmu::conform
