#include "tools/kernel_memory_steps.h"

#include "guest-pv/kernel.h"

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

  void perform();

 private:
  pfn_t frame(const sc::frame& f) const {
    if (const auto pfn = k_.mfn_to_pfn(names_.frame(f))) return *pfn;
    throw unresolved{{file_.locate(f).text(), "frame", "one of the domain's", "another's"}};
  }

  const scenario_file& file_;
  const sc::step& step_;
  const vcpu_id_t cpu_;
  guest::kernel& k_;
  const name_resolver& names_;
};

void kernel_memory_step::perform() {
  switch (step_.action_case()) {
    case sc::step::kKfenceProtect: return k_.kfence_protect(cpu_, frame(step_.kfence_protect().frame()));
    case sc::step::kKfenceUnprotect: return k_.kfence_unprotect(cpu_, frame(step_.kfence_unprotect().frame()));
    default: break;
  }
}

}  // namespace

bool is_kernel_memory_step(const sc::step& step) {
  return first_step <= step.action_case() && step.action_case() <= last_step;
}

void perform_kernel_memory_step(const scenario_file& file, const sc::step& step, guest::kernel& k,
                                const name_resolver& names) {
  kernel_memory_step(file, step, k, names).perform();
}

}  // namespace pvmmu::tools
