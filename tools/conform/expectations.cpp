#include "tools/conform/expectations.h"

#include <fmt/format.h>

#include <algorithm>

#include "tools/conform/abi_call.h"
#include "tools/conform/difference.h"
#include "tools/conform/grant_statuses.h"

namespace pvmmu::conform {
namespace {

class judgement {
 public:
  judgement(const lab::program_answer& real, const lab::memory_image& memory, const names& number)
      : real_(real), memory_(memory), number_(number) {}

  void judge(const expectation& e, const lab::call& made, std::size_t call, bool last) {
    if (call >= real_.calls.size()) {
      const bool dies_here = real_.how == lab::program_answer::state::crashed && call == real_.calls.size();
      if (dies_here && !e.crashes) say(e.where, "the domain crashes");
      return;
    }
    if (e.crashes) say(e.where, "the domain does not crash");
    judge_answer(e, real_.calls[call]);
    if (!e.grant_statuses.empty() && e.grant_statuses != grant_statuses(made, real_.calls[call]))
      say(e.where, "not the status that was expected of each grant");
    if (!last) return;
    for (const expected_frame& f : e.frames) judge_frame(f);
  }

  std::vector<std::string> take_lines() { return std::move(lines_); }

 private:
  void say(const std::string& where, const std::string& what) { lines_.push_back(where + ": " + what); }

  void judge_answer(const expectation& e, const lab::answer& a) {
    const bool met = (e.fault ? judge_fault(*e.fault, a) : !a.taken) &&
                     (e.result ? *e.result == a.result : a.result >= 0) && (!e.done || e.done == a.done) &&
                     (!e.value || number_(*e.value) == a.value) && judge_entries(e, a);
    if (!met) say(e.where, fmt::format("not as expected: {}", describe(a)));
  }

  bool judge_fault(const expected_fault& e, const lab::answer& a) const {
    return a.taken && a.taken->vector == e.vector && (!e.error_code || *e.error_code == a.taken->error_code) &&
           (!e.cr2 || number_(*e.cr2) == a.taken->cr2);
  }

  static bool judge_entries(const expectation& e, const lab::answer& a) {
    std::vector<s64> results;
    results.reserve(a.entries.size());
    for (const lab::entry_answer& entry : a.entries) results.push_back(entry.result);
    if (e.entry_results.empty()) return std::ranges::all_of(results, [](s64 r) { return r >= 0; });
    return results == e.entry_results;
  }

  void judge_frame(const expected_frame& e) {
    const auto mfn = real_.frame(e.frame);
    if (!mfn) return say(e.where, "there is no such frame in the end");
    const xen::page_info pg = memory_.frame(*mfn);
    if ((pg.type_info & e.type_mask) != e.type_info || (pg.count_info & e.count_mask) != e.count_info)
      say(e.where, fmt::format("not as expected: count_info {:016x}, type_info {:016x}", pg.count_info, pg.type_info));
    for (const lab::content& c : e.contents) {
      for (unsigned slot = c.slot; slot < c.slot + unsigned{c.nr}; ++slot) {
        const u64 word = memory_.words(*mfn)[slot];
        if (word != number_(c.value)) say(e.where, fmt::format("slot {} holds {:016x}", slot, word));
      }
    }
  }

  const lab::program_answer& real_;
  const lab::memory_image& memory_;
  const names& number_;
  std::vector<std::string> lines_;
};

}  // namespace

std::vector<std::string> unmet(const named_program& p, const lab::program_answer& real, const lab::memory_image& memory,
                               const lab::machine_facts& facts) {
  const names number{real, facts.probe_l4, real.calls};
  judgement j{real, memory, number};
  for (std::size_t i = 0; i < p.expected.size(); ++i)
    j.judge(p.expected[i], p.program.calls[i], i, i + 1 == p.expected.size());
  return j.take_lines();
}

}  // namespace pvmmu::conform
