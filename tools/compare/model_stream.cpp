#include "tools/compare/model_stream.h"

#include <algorithm>

#include "guest-pv/guest_stopped.h"
#include "tools/compare/recorded_machine.h"
#include "tools/compare/taking_turns.h"
#include "tools/kernel_memory_steps.h"
#include "tools/kernel_steps.h"

namespace pvmmu::compare {
namespace {

namespace sc = pvmmu::scenario;

bool touches_mark(const sc::step& step) {
  return (step.has_touch() && step.touch().va() == mark_va) || (step.has_write() && step.write().va() == mark_va);
}

bool is_a_kernels(const sc::step& step) {
  return !step.has_hypercall() && !step.has_access() && !step.has_alloc_frame() && !tools::is_kernel_memory_step(step);
}

/// The index of the first step that is run.
int first_step(const tools::scenario_file& scenario) {
  const auto& steps = scenario.content().step();
  const auto exec = std::ranges::find_if(steps, &sc::step::has_exec);
  if (exec == steps.end()) {
    throw tools::input_error(
        fmt::format("{}: an exec step is expected, with which the workload's process begins", scenario.name()));
  }
  const auto mark = std::ranges::find_if(steps, touches_mark);
  return static_cast<int>((mark == steps.end() ? exec : mark) - steps.begin()) + 1;
}

class model_run {
 public:
  model_run(const tools::scenario_file& scenario, guest::kernel_config config, std::vector<vcpu_id_t> schedule)
      : scenario_(scenario),
        machine_(config_of(scenario, config.vcpus)),
        kernel_(machine_, machine_.info(), config),
        turns_(std::move(schedule)) {
    kernel_.boot();
  }

  call_stream run(const process_image& image) {
    const int first = first_step(scenario_);
    const auto& steps = scenario_.content().step();
    if (has_mark()) {
      for (int i = 0; i < first; ++i) perform(steps[i]);
    } else {
      adopt(image);
    }
    machine_.begin();
    machine_.after_each_call([this](vcpu_id_t vcpu) {
      turns_.called(vcpu);
      kernel_.run_on(vcpu);
    });
    for (int i = first; i < steps.size(); i = perform_together(i)) continue;
    return machine_.take_stream();
  }

 private:
  bool has_mark() const { return std::ranges::any_of(scenario_.content().step(), touches_mark); }

  void adopt(const process_image& image) {
    const sc::step& exec = *std::ranges::find_if(scenario_.content().step(), &sc::step::has_exec);
    guest::mm& mm = kernel_.adopt_mm(image.tables, image.pages);
    kernel_.activate_mm(exec.vcpu(), mm);
    spaces_.add(exec.exec().mm(), mm);
    spaces_.load(exec.vcpu(), exec.exec().mm());
  }

  static domain_config config_of(const tools::scenario_file& scenario, u32 vcpus) {
    const sc::domain& spec = scenario.content().domain(0);
    if (!spec.has_kernel()) scenario.fail(spec, {}, "a domain with a kernel is expected: a workload is what one does");
    domain_config config;
    if (spec.has_pages()) config.pages = spec.pages();
    config.vcpus = std::max(vcpus, spec.has_vcpus() ? spec.vcpus() : 1);
    return config;
  }

  /// The step `first`, and those that are under way meanwhile; returns the index of the step behind them.
  int perform_together(int first) {
    const auto& steps = scenario_.content().step();
    int end = first + 1;
    while (end < steps.size() && steps[end].meanwhile()) ++end;
    if (end == first + 1) {
      perform(steps[first]);
      return end;
    }
    std::map<vcpu_id_t, std::function<void()>> work;
    for (int i = first; i < end; ++i) {
      work[steps[i].vcpu()] = [this, before = work[steps[i].vcpu()], &step = steps[i]] {
        if (before) before();
        perform(step);
      };
    }
    turns_.run(work);
    return end;
  }

  void perform(const sc::step& step) {
    if (!is_a_kernels(step))
      scenario_.fail(step, {}, "an operation of the kernel's mm is expected, not a call made by hand");
    tools::step_outcome outcome;
    try {
      tools::perform_kernel_step(step, kernel_, spaces_, outcome);
    } catch (const guest::guest_stopped& e) {
      scenario_.fail(step, {}, fmt::format("the model's kernel stopped: {}", e.what()));
    }
    const bool expected = std::ranges::any_of(step.expect(), [&](const auto& e) { return e.error() == outcome.error; });
    if (!outcome.error.empty() && !expected)
      scenario_.fail(step, {}, fmt::format("{}: {}", outcome.error, outcome.error_text));
  }

  const tools::scenario_file& scenario_;
  recorded_machine machine_;
  guest::kernel kernel_;
  tools::address_spaces spaces_;
  taking_turns turns_;
};

}  // namespace

call_stream run_on_model(const tools::scenario_file& scenario, guest::kernel_config config, const process_image& image,
                         std::vector<vcpu_id_t> schedule) {
  return model_run(scenario, config, std::move(schedule)).run(image);
}

std::vector<va_range> ranges_of(const sc::scenario& scenario) {
  std::vector<va_range> ranges;
  const auto add = [&](u64 va, u64 bytes) {
    if (va != mark_va) ranges.push_back({va, va + bytes});
  };
  for (const sc::step& step : scenario.step()) {
    if (step.has_mmap()) add(step.mmap().va(), step.mmap().bytes());
    if (step.has_mremap()) add(step.mremap().new_va(), step.mremap().bytes());
  }
  return ranges;
}

}  // namespace pvmmu::compare
