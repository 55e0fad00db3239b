#pragma once
// A campaign: random programs by the thousand, on the real Xen and on the model.
//
//   campaign_report r = run_campaign(real, {.hypercalls = 200'000, .seed = 7}, [](u64 calls) { … });
//   r.found[0].program         the first that differed, shrunk

#include <functional>
#include <string>
#include <vector>

#include "tools/conform/comparison.h"
#include "tools/conform/outcome_table.h"

namespace pvmmu::conform {

struct campaign_options {
  u64 hypercalls = 0;  ///< calls to make, at least; accesses count as calls
  u64 seed = 0;
  std::string only{};  ///< one of call_names(): no other calls but the pins before them
};

/// A program, what both sides answered to it, and where they differ.
struct finding {
  lab::program program;
  lab::program_answer real;
  lab::program_answer model;
  difference differs;
};

struct campaign_report {
  u64 programs = 0;
  u64 calls = 0;
  u64 boots = 0;
  u64 differ = 0;                  ///< programs that differ, and frames that all share
  u64 preempted = 0;               ///< programs that are equal once the model is preempted where the real Xen was
  std::vector<difference> once{};  ///< of programs that did not differ when they ran again, twice: what an interrupt
                                   ///< or the TLB did to the real Xen
  std::vector<finding> found;      ///< the first of them, shrunk where that can be
  std::vector<difference> shared;  ///< in frames that all programs of a boot share
  outcome_table outcomes;
};

/// `progress` is told how many more calls have been compared. Throws lab_error.
campaign_report run_campaign(const lab::lab& real, const campaign_options& options,
                             const std::function<void(u64)>& progress);

/// The model as it is.
std::unique_ptr<subject> make_model(const lab::machine_facts& facts);

}  // namespace pvmmu::conform
