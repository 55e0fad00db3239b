#include "tools/show/step_source.h"

#include <algorithm>

#include "tools/show/columns.h"
#include "tools/show/page_tree.h"
#include "tools/show/tree_text.h"
#include "tools/why/account_text.h"

namespace pvmmu::tools {

namespace {

constexpr std::size_t stretch_steps = 64;
constexpr std::size_t most_stretches = 64;  // that are kept

step_facts printable_facts(step_facts f) {
  f.before = printable(std::move(f.before));
  f.line = printable(text_block{f.line}).front();
  f.full = printable(std::move(f.full));
  return f;
}

}  // namespace

timeline_steps::timeline_steps(timeline& t) : timeline_(t), names_(names_in(t)) {
  order_.reserve(t.size());
  for (u64 number = t.next(0); number != 0; number = t.next(number)) order_.push_back(number);
}

const step_facts& timeline_steps::facts(std::size_t place) { return stretch_of(place)[place % stretch_steps]; }

timeline_steps::stretch& timeline_steps::stretch_of(std::size_t place) {
  const std::size_t index = place / stretch_steps;
  const auto known = stretches_.find(index);
  if (known != stretches_.end()) return known->second;
  if (stretches_.size() == most_stretches) {
    // The farthest goes.
    const auto first = stretches_.begin(), last = std::prev(stretches_.end());
    const auto distance = [&](auto at) { return at->first < index ? index - at->first : at->first - index; };
    stretches_.erase(distance(first) > distance(last) ? first : last);
  }
  stretch& steps = stretches_[index];
  const std::size_t end = std::min(order_.size(), (index + 1) * stretch_steps);
  for (std::size_t at = index * stretch_steps; at < end; ++at) {
    timeline_.go_to(order_[at]);
    steps.push_back(printable_facts(facts_of(timeline_, names_)));
  }
  return steps;
}

text_block timeline_steps::tree(std::size_t place) {
  timeline_.go_to(order_.at(place));
  return printable(tree_text(page_tree(timeline_.machine(), timeline_.step().act, {}), names_));
}

text_block timeline_steps::why(std::size_t place, mfn_t mfn) {
  if (!share_) share_.emplace(timeline_);
  return printable(account_text(account_for(timeline_, *share_, mfn, order_.at(place))));
}

std::optional<std::size_t> timeline_steps::place_of(u64 number) const {
  const auto at = std::ranges::find(order_, number);
  return at == order_.end() ? std::nullopt : std::optional(static_cast<std::size_t>(at - order_.begin()));
}

}  // namespace pvmmu::tools
