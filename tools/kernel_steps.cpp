#include "tools/kernel_steps.h"

#include "tools/exec_step.h"
#include "tools/memory_steps.h"

namespace pvmmu::tools {

namespace sc = pvmmu::scenario;

namespace {

void switch_mm(const sc::step& step, guest::kernel& k, address_spaces& spaces) {
  const std::string& name = step.switch_mm().mm();
  k.switch_mm(step.vcpu(), name.empty() ? nullptr : &spaces.at(name, step.vcpu()));
  spaces.load(step.vcpu(), name);
}

}  // namespace

void perform_kernel_step(const sc::step& step, guest::kernel& k, address_spaces& spaces, step_outcome& outcome) {
  const vcpu_id_t cpu = step.vcpu();
  switch (step.action_case()) {
    case sc::step::kExec: return perform_exec(step, k, spaces, outcome);
    case sc::step::kMmAlloc: return spaces.add(step.mm_alloc().mm(), k.mm_alloc());
    case sc::step::kActivateMm:
      k.activate_mm(cpu, spaces.at(step.activate_mm().mm(), cpu));
      return spaces.load(cpu, step.activate_mm().mm());
    case sc::step::kSwitchMm: return switch_mm(step, k, spaces);
    case sc::step::kExitMmap:
      k.exit_mmap(cpu, spaces.at(step.exit_mmap().mm(), cpu));
      return spaces.remove(step.exit_mmap().mm());
    case sc::step::kFork: return spaces.add(step.fork().child(), k.fork(cpu, spaces.at(step.fork().mm(), cpu)));
    case sc::step::kSuspend: return k.suspend(cpu);
    case sc::step::kResume: return k.resume(cpu);
    default: perform_memory_step(step, k, spaces, outcome);
  }
}

}  // namespace pvmmu::tools
