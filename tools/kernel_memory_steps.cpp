#include "tools/kernel_memory_steps.h"

#include "guest-pv/kernel.h"
#include "tools/memory_steps.h"

namespace pvmmu::tools {

namespace sc = pvmmu::scenario;

namespace {

/// The field numbers that proto/scenario.proto keeps for them.
constexpr int first_step = 100;
constexpr int last_step = 119;

class kernel_memory_step {
 public:
  kernel_memory_step(const scenario_file& file, const sc::step& step, guest::kernel& k, const name_resolver& names)
      : file_(file), step_(step), cpu_(step.vcpu()), k_(k), names_(names) {}

  void perform(step_outcome& outcome);

 private:
  pfn_t frame(const sc::frame& f) const {
    if (const auto pfn = k_.mfn_to_pfn(names_.frame(f))) return *pfn;
    throw unresolved{{file_.locate(f).text(), "frame", "one of the domain's", "another's"}};
  }

  std::vector<pfn_t> frames(const auto& list) const {
    std::vector<pfn_t> all;
    for (const sc::frame& f : list) all.push_back(frame(f));
    return all;
  }

  const scenario_file& file_;
  const sc::step& step_;
  const vcpu_id_t cpu_;
  guest::kernel& k_;
  const name_resolver& names_;
};

void kernel_memory_step::perform(step_outcome& outcome) {
  switch (step_.action_case()) {
    case sc::step::kKfenceProtect: return k_.kfence_protect(cpu_, frame(step_.kfence_protect().frame()));
    case sc::step::kKfenceUnprotect: return k_.kfence_unprotect(cpu_, frame(step_.kfence_unprotect().frame()));
    case sc::step::kVmap: {
      k_.vmap(cpu_, frames(step_.vmap().frame()));
      return;
    }
    case sc::step::kVunmap:
      if (const auto done = k_.vunmap(cpu_, step_.vunmap().va()); !done) set_error(outcome, done.error());
      return;
    case sc::step::kFreeFrame: return k_.free_page(frame(step_.free_frame().frame()));
    case sc::step::kBalloonOut: return k_.balloon_out(cpu_, frame(step_.balloon_out().frame()));
    case sc::step::kKernelRead:
      outcome.value = k_.kernel_read(cpu_, step_.kernel_read().va(), step_.kernel_read().in_lazy_mmu());
      return;
    case sc::step::kDebugFreePage: return k_.debug_free_page(cpu_, frame(step_.debug_free_page().frame()));
    case sc::step::kDebugAllocPage: return k_.debug_alloc_page(cpu_, frame(step_.debug_alloc_page().frame()));
    case sc::step::kCheckPtBase: return k_.check_pt_base(cpu_, frame(step_.check_pt_base().frame()));
    default: break;
  }
}

}  // namespace

bool is_kernel_memory_step(const sc::step& step) {
  return first_step <= step.action_case() && step.action_case() <= last_step;
}

void perform_kernel_memory_step(const scenario_file& file, const sc::step& step, guest::kernel& k,
                                const name_resolver& names, step_outcome& outcome) {
  kernel_memory_step(file, step, k, names).perform(outcome);
}

}  // namespace pvmmu::tools
