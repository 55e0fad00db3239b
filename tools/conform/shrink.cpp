#include "tools/conform/shrink.h"

#include <algorithm>
#include <bit>
#include <type_traits>

namespace pvmmu::conform {
namespace {

using lab::program;

/// Calls fn with each list of a call whose entries can be dropped, and the claimed count that goes with it.
template <class Call, class Fn>
void for_lists(Call& call, Fn&& fn) {
  const auto visit = [&](auto& c) {
    using type = std::remove_cvref_t<decltype(c)>;
    if constexpr (std::is_same_v<type, lab::mmu_update>) fn(c.ureqs, c.count);
    if constexpr (std::is_same_v<type, lab::mmuext_op>) fn(c.uops, c.count);
  };
  std::visit(
      [&](auto& c) {
        if constexpr (std::is_same_v<std::remove_cvref_t<decltype(c)>, lab::multicall>) {
          fn(c.entries, c.nr_calls);
          for (auto& entry : c.entries) std::visit(visit, entry);
        } else {
          visit(c);
        }
      },
      call);
}

template <class T>
void drop(std::vector<T>& list, std::size_t from, std::size_t number) {
  const auto first = list.begin() + static_cast<std::ptrdiff_t>(from);
  list.erase(first, first + static_cast<std::ptrdiff_t>(number));
}

/// `p` without runs of `number` calls or contents.
void without_runs(const program& p, std::size_t number, std::vector<program>& smaller) {
  for (std::size_t i = 0; i + number <= p.calls.size(); i += number) {
    smaller.push_back(p);
    drop(smaller.back().calls, i, number);
  }
  for (std::size_t i = 0; i + number <= p.contents.size(); i += number) {
    smaller.push_back(p);
    drop(smaller.back().contents, i, number);
  }
}

/// `p` without one entry of one batch.
void without_entries(const program& p, std::vector<program>& smaller) {
  for (std::size_t i = 0; i < p.calls.size(); ++i) {
    std::size_t lists = 0;
    lab::call copy = p.calls[i];
    for_lists(copy, [&](auto& list, u32&) {
      const std::size_t this_list = lists++;
      if (list.size() < 2) return;
      for (std::size_t entry = 0; entry < list.size(); ++entry) {
        smaller.push_back(p);
        std::size_t at = 0;
        for_lists(smaller.back().calls[i], [&](auto& l, u32& count) {
          if (at++ != this_list) return;
          drop(l, entry, 1);
          if ((count & ~MMU_UPDATE_PREEMPTED) != 0) --count;
        });
      }
    });
  }
}

/// A multicall of one entry as that entry.
void without_multicalls(const program& p, std::vector<program>& smaller) {
  for (std::size_t i = 0; i < p.calls.size(); ++i) {
    const auto* m = std::get_if<lab::multicall>(&p.calls[i]);
    if (!m || m->entries.size() != 1) continue;
    smaller.push_back(p);
    smaller.back().calls[i] = std::visit([](const auto& c) -> lab::call { return c; }, m->entries[0]);
  }
}

std::vector<program> one_step_smaller(const program& p, std::size_t run) {
  std::vector<program> smaller;
  without_runs(p, run, smaller);
  if (run == 1) {
    without_entries(p, smaller);
    without_multicalls(p, smaller);
  }
  return smaller;
}

}  // namespace

program shrink(program p, const judge& shows) {
  std::size_t run = std::bit_floor(std::max<std::size_t>({p.calls.size(), p.contents.size(), 1}));
  while (run != 0) {
    std::vector<program> smaller = one_step_smaller(p, run);
    const std::vector<bool> still = shows(smaller);
    const auto found = std::ranges::find(still, true);
    if (found != still.end()) {
      p = std::move(smaller[static_cast<std::size_t>(found - still.begin())]);
    } else {
      run /= 2;
    }
  }
  return p;
}

}  // namespace pvmmu::conform
