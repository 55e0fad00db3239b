#include "tools/conform/reduction.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <optional>
#include <type_traits>
#include <utility>

namespace pvmmu::conform {
namespace {

/// Calls fn with a batch and the count that the call claims of it.
template <class Call, class Fn>
void with_batch(Call& call, Fn&& fn) {
  using type = std::remove_const_t<Call>;
  if constexpr (std::is_same_v<type, lab::mmu_update>) fn(call.ureqs, call.count);
  if constexpr (std::is_same_v<type, lab::mmuext_op>) fn(call.uops, call.count);
  if constexpr (std::is_same_v<type, lab::map_grant_ref> || std::is_same_v<type, lab::unmap_grant_ref>)
    fn(call.uop, call.count);
}

/// Calls fn with every word of a call that may come from an earlier call's answer.
template <class Fn>
void for_words(lab::call& call, Fn&& fn) {
  if (auto* const unmap = std::get_if<lab::unmap_grant_ref>(&call))
    for (lab::grant_unmap_entry& e : unmap->uop) fn(e.handle);
  auto* const raw = std::get_if<lab::raw_call>(&call);
  if (!raw) return;
  for (lab::word& w : raw->args) fn(w);
  for (lab::blob& b : raw->blobs)
    for (lab::word& w : b.words) fn(w);
}

template <class Call>
bool loads_a_table(const Call& c) {
  if constexpr (std::is_same_v<Call, lab::mmuext_op>)
    return std::ranges::find(c.uops, u32{MMUEXT_NEW_BASEPTR}, &lab::mmuext_entry::cmd) != c.uops.end();
  if constexpr (std::is_same_v<Call, lab::multicall>)
    return std::ranges::any_of(
        c.entries, [](const auto& e) { return std::visit([](const auto& typed) { return loads_a_table(typed); }, e); });
  return false;
}

bool loads_a_table(const lab::program& p) {
  return std::ranges::any_of(
      p.calls, [](const auto& c) { return std::visit([](const auto& typed) { return loads_a_table(typed); }, c); });
}

/// Takes a program's parts in their order, those that stay.
class copier {
 public:
  copier(const selection& keep, lab::program& to) : keep_(keep), to_(to) {}

  void copy(const lab::program& from) {
    for (const lab::call& c : from.calls) {
      const std::size_t before = to_.calls.size();
      copy(c);
      new_index_.push_back(to_.calls.size() > before ? std::optional{static_cast<u32>(before)} : std::nullopt);
    }
    for (const lab::content& c : from.contents)
      if (next()) to_.contents.push_back(c);
    for (lab::call& c : to_.calls) for_words(c, [this](lab::word& w) { renumber(w); });
  }

 private:
  bool next() { return keep_[at_++]; }

  template <class Call>
  Call thinned(Call c) {
    with_batch(c, [&](auto& list, u32& count) { thin(list, count, [](auto&) {}); });
    return c;
  }

  template <class Entry, class Fn>
  void thin(std::vector<Entry>& list, u32& count, Fn&& inside) {
    std::vector<Entry> left;
    for (Entry& e : list) {
      const bool stays = next();
      inside(e);
      if (stays) left.push_back(std::move(e));
      if (!stays && (count & ~MMU_UPDATE_PREEMPTED) != 0) --count;
    }
    list = std::move(left);
  }

  void copy(const lab::call& c) {
    const bool stays = next();
    if (const auto* m = std::get_if<lab::multicall>(&c)) {
      copy(*m, stays);
      return;
    }
    lab::call thin_call = std::visit([this](const auto& typed) -> lab::call { return thinned(typed); }, c);
    if (stays) to_.calls.push_back(std::move(thin_call));
  }

  void copy(lab::multicall m, bool stays) {
    const bool together = next();
    thin(m.entries, m.nr_calls, [this](lab::simple_call& c) {
      c = std::visit([this](const auto& typed) -> lab::simple_call { return thinned(typed); }, c);
    });
    if (!stays) return;
    if (together) {
      to_.calls.emplace_back(std::move(m));
      return;
    }
    for (lab::simple_call& entry : m.entries)
      to_.calls.push_back(std::visit([](auto& typed) -> lab::call { return std::move(typed); }, entry));
  }

  /// Calls that an answer comes from have moved, or are gone: then nobody has such a handle.
  void renumber(lab::word& w) const {
    if (w.kind != lab::word_kind::earlier_high) return;
    const auto now = new_index_.at(w.index >> 16);
    w = now ? lab::upper_half_of(*now, w.index & 0xffff) : lab::plain(lab::no_handle);
  }

  const selection& keep_;
  lab::program& to_;
  std::size_t at_ = 0;
  std::vector<std::optional<u32>> new_index_;  ///< of each call
};

}  // namespace

template <class Call>
void reduction::add_parts(const Call& c) {
  const auto add_with = [this](kind what, auto&& inside) {
    const std::size_t at = parts_.size();
    parts_.push_back({what});
    inside();
    parts_[at].end = static_cast<u32>(parts_.size());
  };
  const auto nothing = [] {};
  if constexpr (std::is_same_v<Call, lab::multicall>) {
    add_with(kind::multicall, nothing);
    for (const lab::simple_call& entry : c.entries)
      add_with(kind::entry, [&] { std::visit([&](const auto& typed) { add_parts(typed); }, entry); });
  } else {
    with_batch(c, [&](const auto& list, u32) {
      for (std::size_t i = 0; i < list.size(); ++i) add_with(kind::entry, nothing);
    });
  }
}

reduction::reduction(lab::program p) : program_(std::move(p)) {
  for (const lab::call& c : program_.calls) {
    const std::size_t at = parts_.size();
    parts_.push_back({kind::call});
    std::visit([this](const auto& typed) { add_parts(typed); }, c);
    parts_[at].end = static_cast<u32>(parts_.size());
  }
  for (const lab::content& c : program_.contents) {
    const kind what = c.value.kind == lab::word_kind::l4_entry ? kind::own_slot : kind::content;
    parts_.push_back({what, static_cast<u32>(parts_.size() + 1)});
  }
}

lab::program reduction::program_of(const selection& keep) const {
  lab::program smaller = program_;
  smaller.calls.clear();
  smaller.contents.clear();
  copier(keep, smaller).copy(program_);
  return smaller;
}

void reduction::add_runs(kind what, const selection& keep, std::vector<step>& steps) const {
  std::vector<u32> left;
  for (u32 i = 0; i < parts_.size(); ++i)
    if (keep[i] && parts_[i].what == what) left.push_back(i);
  const bool in_runs = what != kind::entry && what != kind::multicall;
  for (std::size_t length = in_runs ? std::bit_floor(left.size()) : left.size() != 0; length != 0; length /= 2) {
    for (std::size_t first = 0; first + length <= left.size(); first += length) {
      step s;
      for (std::size_t i = first; i < first + length; ++i)
        for (u32 inside = left[i]; inside < parts_[left[i]].end; ++inside)
          if (keep[inside]) s.push_back(inside);
      steps.push_back(std::move(s));
    }
  }
}

std::vector<step> reduction::steps(const selection& keep) const {
  std::vector<step> steps;
  for (const kind what : {kind::call, kind::content, kind::entry, kind::multicall}) add_runs(what, keep, steps);
  if (!loads_a_table(program_of(keep))) add_runs(kind::own_slot, keep, steps);
  return steps;
}

}  // namespace pvmmu::conform
