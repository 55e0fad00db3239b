#include "tools/conform/reduction.h"

#include <algorithm>
#include <bit>
#include <map>
#include <optional>
#include <type_traits>
#include <utility>

#include "tools/conform/call_lists.h"
#include "tools/conform/call_words.h"

namespace pvmmu::conform {
namespace {

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
      const std::size_t before = to_.calls.size(), first_part = at_;
      gone_ = {};
      copy(c);
      for (std::size_t i = before; i < to_.calls.size(); ++i)
        for_words(to_.calls[i], [this](lab::word& w) { rename(w); });
      const bool stays = to_.calls.size() > before;
      if (stays) note_adopted(c);
      // What a multicall reports is in an order of its own.
      const bool answers = stays && (!std::holds_alternative<lab::multicall>(c) || whole(first_part));
      moved_.push_back({answers ? std::optional{static_cast<u32>(before)} : std::nullopt, std::move(gone_.reported)});
    }
    for (const lab::content& c : from.contents)
      if (next()) to_.contents.push_back(c);
  }

 private:
  /// Where the answer of a call is now, and the words that it lacks.
  struct moved {
    std::optional<u32> call;
    std::vector<u32> gone;
  };

  bool next() { return keep_[at_++]; }

  bool whole(std::size_t first_part) const {
    for (std::size_t i = first_part; i < at_; ++i)
      if (!keep_[i]) return false;
    return true;
  }

  template <class Call>
  left_out thin(Call& c) {
    std::vector<bool> stays(nr_entries(c));
    for (std::size_t i = 0; i < stays.size(); ++i) stays[i] = next();
    return leave_out(c, stays);
  }

  void copy(lab::call c) {
    const bool stays = next();
    if (auto* m = std::get_if<lab::multicall>(&c)) {
      copy(std::move(*m), stays);
      return;
    }
    gone_ = std::visit([this](auto& typed) { return thin(typed); }, c);
    if (stays) to_.calls.push_back(std::move(c));
  }

  void copy(lab::multicall m, bool stays) {
    const bool together = next();
    std::vector<lab::simple_call> left;
    for (lab::simple_call& c : m.entries) {
      const bool entry_stays = next();
      std::visit([this](auto& typed) { thin(typed); }, c);
      if (entry_stays) left.push_back(std::move(c));
      if (!entry_stays && m.nr_calls != 0) --m.nr_calls;
    }
    m.entries = std::move(left);
    if (!stays) return;
    if (together) {
      to_.calls.emplace_back(std::move(m));
      return;
    }
    for (lab::simple_call& entry : m.entries)
      to_.calls.push_back(std::visit([](auto& typed) -> lab::call { return std::move(typed); }, entry));
  }

  /// The names of the frames that a call no longer gets are those behind the ones that it gets.
  void note_adopted(const lab::call& before) {
    const auto* c = std::get_if<lab::memory_op>(&before);
    if (!c || !c->adopt_first) return;
    const std::size_t names = nr_adoptable(*c);
    u32 first_gone = *c->adopt_first + static_cast<u32>(names - gone_.adopted.size()), next_name = *c->adopt_first;
    for (u32 i = 0; i < names; ++i) {
      const bool gone = std::ranges::binary_search(gone_.adopted, i);
      names_[*c->adopt_first + i] = gone ? first_gone++ : next_name++;
    }
  }

  void rename(lab::word& w) const {
    using enum lab::word_kind;
    if (w.kind == earlier_high) renumber(w);
    if (w.kind != maddr && w.kind != mfn && w.kind != mfn_high) return;
    if (const auto now = names_.find(w.index); now != names_.end()) w.index = now->second;
  }

  /// What an answer comes from has moved, or is gone: then nobody has such a handle.
  void renumber(lab::word& w) const {
    const u32 call = w.index >> 16, word = w.index & 0xffff;
    const moved now = call < moved_.size() ? moved_[call] : moved{};
    if (!now.call || std::ranges::binary_search(now.gone, word)) {
      w = lab::plain(lab::no_handle);
    } else {
      const auto before = std::ranges::lower_bound(now.gone, word) - now.gone.begin();
      w = lab::upper_half_of(*now.call, word - static_cast<u32>(before));
    }
  }

  const selection& keep_;
  lab::program& to_;
  std::size_t at_ = 0;
  std::vector<moved> moved_;  ///< for each call
  left_out gone_;             ///< of the call that is being copied
  std::map<u32, u32> names_;  ///< of adopted frames
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
    for (std::size_t i = 0; i < nr_entries(c); ++i) add_with(kind::entry, nothing);
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
