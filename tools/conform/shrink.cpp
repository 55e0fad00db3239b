#include "tools/conform/shrink.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <utility>

#include "tools/conform/reduction.h"

namespace pvmmu::conform {
namespace {

/// One program on its way down. First it asks about every step alone, then about many at once of those that are
/// possible alone; so a few questions take it to the bottom.
class shrinking {
 public:
  explicit shrinking(lab::program p) : parts_(std::move(p)), keep_(parts_.all()), asked_(parts_.steps(keep_)) {}

  /// What is asked now; nothing at the bottom.
  const std::vector<step>& asked() const { return asked_; }
  lab::program without(const step& s) const { return parts_.program_of(left_of(s)); }
  lab::program smallest() const { return parts_.program_of(keep_); }

  /// shows[i]: without asked()[i] the program still shows it.
  void decide(const std::vector<bool>& shows) {
    std::vector<step> possible;
    for (std::size_t i = 0; i < asked_.size(); ++i)
      if (shows[i]) possible.push_back(std::move(asked_[i]));
    std::ranges::stable_sort(possible, std::ranges::greater{}, &step::size);
    if (possible.empty() && !combining_) {
      asked_.clear();
      return;
    }
    if (!possible.empty()) best_ = possible.front();
    combining_ = !combining_ && possible.size() > 1;
    if (!combining_) keep_ = left_of(best_);
    asked_ = combining_ ? combinations(possible) : parts_.steps(keep_);
  }

 private:
  selection left_of(const step& s) const {
    selection left = keep_;
    for (const u32 part : s) left[part] = false;
    return left;
  }

  /// Of steps that are possible alone: the first few, the last few, and all but one.
  static std::vector<step> combinations(const std::vector<step>& steps) {
    std::vector<step> unions;
    step first, last;
    for (std::size_t i = 0; i < steps.size(); ++i) {
      unions.push_back(first = join(first, steps[i]));
      unions.push_back(last = join(last, steps[steps.size() - 1 - i]));
      step others;
      for (std::size_t k = 0; k < steps.size(); ++k)
        if (k != i) others = join(others, steps[k]);
      unions.push_back(std::move(others));
    }
    std::ranges::sort(unions);
    const auto repeated = std::ranges::unique(unions);
    unions.erase(repeated.begin(), repeated.end());
    return unions;
  }

  static step join(const step& a, const step& b) {
    step both;
    std::ranges::set_union(a, b, std::back_inserter(both));
    return both;
  }

  reduction parts_;
  selection keep_;
  std::vector<step> asked_;
  step best_;  ///< the greatest that is known to be possible
  bool combining_ = false;
};

}  // namespace

std::vector<lab::program> shrink(const std::vector<lab::program>& programs, const judge& shows) {
  std::vector<shrinking> all(programs.begin(), programs.end());
  while (true) {
    std::vector<lab::program> candidates;
    std::vector<std::size_t> of;
    for (std::size_t i = 0; i < all.size(); ++i) {
      for (const step& s : all[i].asked()) candidates.push_back(all[i].without(s));
      of.resize(candidates.size(), i);
    }
    if (candidates.empty()) break;
    const std::vector<bool> answers = shows(candidates, of);
    auto next = answers.begin();
    for (shrinking& one : all) {
      const auto end = next + static_cast<std::ptrdiff_t>(one.asked().size());
      if (next != end) one.decide({next, end});
      next = end;
    }
  }
  std::vector<lab::program> smallest;
  smallest.reserve(all.size());
  for (const shrinking& one : all) smallest.push_back(one.smallest());
  return smallest;
}

}  // namespace pvmmu::conform
