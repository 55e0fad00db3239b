#include "tools/kernel_steps.h"

#include "proto/abi/errno.h"
#include "tools/scenario_names.h"

namespace pvmmu::tools {

namespace sc = pvmmu::scenario;

namespace {

/// Linux's SIGSEGV, as an mm_error has it for an access that its process dies of.
constexpr int linux_sigsegv = 11;

void set_error(step_outcome& outcome, const guest::mm_error& e) {
  outcome.error = e.error == linux_sigsegv ? std::string(sigsegv) : std::string(errno_name(-e.error));
  if (outcome.error.empty()) outcome.error = fmt::format("{}", -e.error);
  outcome.error_text = e.text;
}

void switch_mm(const sc::step& step, guest::kernel& k, address_spaces& spaces) {
  const std::string& name = step.switch_mm().mm();
  k.switch_mm(step.vcpu(), name.empty() ? nullptr : &spaces.at(name, step.vcpu()));
  spaces.load(step.vcpu(), name);
}

guest::prot protection(bool read_only) { return read_only ? guest::prot::read : guest::prot::read_write; }

void memory_step(const sc::step& step, guest::kernel& k, address_spaces& spaces, step_outcome& outcome) {
  const vcpu_id_t cpu = step.vcpu();
  const auto done = [&](const guest::mm_result<void>& r) {
    if (!r) set_error(outcome, r.error());
  };
  if (step.has_mmap()) {
    const auto& m = step.mmap();
    done(k.mmap(cpu, spaces.at(m.mm(), cpu), m.va(), m.bytes(), protection(m.read_only())));
  } else if (step.has_munmap()) {
    const auto& m = step.munmap();
    done(k.munmap(cpu, spaces.at(m.mm(), cpu), m.va(), m.bytes()));
  } else if (step.has_mremap()) {
    const auto& m = step.mremap();
    done(k.mremap(cpu, spaces.at(m.mm(), cpu), m.old_va(), m.bytes(), m.bytes(), m.new_va()));
  } else if (step.has_mprotect()) {
    const auto& m = step.mprotect();
    done(k.mprotect(cpu, spaces.at(m.mm(), cpu), m.va(), m.bytes(), protection(m.read_only())));
  } else if (step.has_touch()) {
    const auto& t = step.touch();
    guest::mm& mm = spaces.at(t.mm(), cpu);
    for (u64 va = t.va(); va < t.va() + t.bytes() && outcome.error.empty(); va += PAGE_SIZE)
      done(k.write(cpu, mm, va, va));
  } else if (step.has_write()) {
    done(k.write(cpu, spaces.at(step.write().mm(), cpu), step.write().va(), step.write().value()));
  } else if (step.has_read()) {
    const auto value = k.read(cpu, spaces.at(step.read().mm(), cpu), step.read().va());
    if (value)
      outcome.value = *value;
    else
      set_error(outcome, value.error());
  }
}

}  // namespace

void perform_kernel_step(const sc::step& step, guest::kernel& k, address_spaces& spaces, step_outcome& outcome) {
  const vcpu_id_t cpu = step.vcpu();
  switch (step.action_case()) {
    case sc::step::kExec: spaces.add(step.exec().mm(), k.exec_mm(cpu)); return spaces.load(cpu, step.exec().mm());
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
    default: memory_step(step, k, spaces, outcome);
  }
}

}  // namespace pvmmu::tools
