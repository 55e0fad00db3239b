#pragma once
// The model in the place of the real Xen: programs run on it as the probe runs them, in the same frames, and its frame
// table and memory are read as those of the lab's machine.
//
//   model_side model{session.facts};
//   for (…) answers.push_back(model.run(programs[i], session.answers[i]));     // in the order of the session
//   model.frame(mfn).type_info                                                 // held against session.memory

#include <array>
#include <vector>

#include "hypervisor-model/domain.h"
#include "tools/conform/comparison.h"
#include "tools/lab/machine_facts.h"
#include "tools/lab/program.h"

namespace pvmmu::conform {

class abi_call;
class outcome_table;

class model_side final : public subject {
 public:
  /// A machine of these facts, with a dom0 in the place of the probe and probe::foreign_domid beside it, and nothing in
  /// the frames that programs use.
  /// `outcomes`: counts what its programs come to.
  explicit model_side(const lab::machine_facts& facts, outcome_table* outcomes = nullptr);

  /// As tests/conformance/probe/program.h says. The answer ends where the domain crashes.
  lab::program_answer run(const lab::program& p, const lab::program_answer& real) override;

  void destroy_foreign_domain() override { m_.remove_domain(foreign_->domid); }

  u64 frames() const override { return m_.config().frames; }
  xen::page_info frame(mfn_t mfn) const override { return m_.page(mfn); }
  std::span<const u64, entries_per_table> words(mfn_t mfn) const override;

  xen::machine& machine() { return m_; }

 private:
  void adopt_shared_frames(const lab::placement& where);
  void take_place_of(const lab::placement& where);
  void take_fresh_frame(xen::domain& d, mfn_t mfn, bool untouched = false);
  void open_window(const lab::placement& where);
  void fill_frames(const lab::program& p, const lab::placement& where);
  lab::answer make_call(const lab::call& c, const lab::placement& where, const std::vector<lab::answer>& earlier);
  void go_back();
  s64 hypercall_of_the_probe(hypercall call);
  void set_entry(mfn_t table, unsigned slot, pte_t value);

  xen::machine m_;
  xen::domain* probe_ = nullptr;
  xen::domain* foreign_ = nullptr;
  mfn_t probe_l4_{};
  std::array<pte_t, entries_per_table> l4_before_{};
  mfn_t window_l3_{};
  mfn_t window_l2_{};
  outcome_table* outcomes_ = nullptr;
};

}  // namespace pvmmu::conform
