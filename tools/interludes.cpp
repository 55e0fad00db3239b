#include "tools/interludes.h"

#include <fmt/format.h>

#include <algorithm>

#include "tools/report/step_text.h"

namespace pvmmu::tools {

namespace sc = pvmmu::scenario;
using guest::moment;

interludes::interludes(const sc::step& step, guest::kernel& k, address_spaces& spaces,
                       std::function<void(const std::string&)> say, perform_fn perform)
    : step_(step), kernel_(k), spaces_(spaces), say_(std::move(say)), perform_(std::move(perform)) {
  for (const auto& d : step.during()) waiting_.push_back({&d});
  if (!waiting_.empty()) kernel_.listen([this](moment m) { reached(m); });
}

bool interludes::has_come(const sc::during& d, moment m) const {
  switch (d.moment_case()) {
    case sc::during::kAfterQueued: return queued_ >= d.after_queued();
    case sc::during::kAfterCalls: return calls_ >= d.after_calls();
    case sc::during::kAt:
      return m == (d.at() == sc::during::LAZY_MMU_COUNTED ? moment::lazy_mmu_counted : moment::lazy_mmu_uncounted);
    default: return false;
  }
}

void interludes::reached(moment m) {
  if (within_) return;
  queued_ += m == moment::queued;
  calls_ += m == moment::called;
  for (interlude_to_come& i : waiting_) {
    i.came |= has_come(*i.what, m);
    if (i.came) come_in(i);
  }
  std::erase_if(waiting_, [](const interlude_to_come& i) { return i.next == i.what->step_size(); });
}

void interludes::come_in(interlude_to_come& i) {
  const sc::step& first = i.what->step(0);
  const vcpu_id_t cpu = step_.vcpu();
  within_ = true;
  if (first.vcpu() != cpu) {
    kernel_.aside([&] { perform_rest(i, fmt::format("vCPU {} meanwhile", first.vcpu())); });
  } else if (!first.has_switch_mm()) {
    kernel_.interrupt([&] { perform_rest(i, "an interrupt"); });
  } else {
    const std::string before = spaces_.loaded(cpu);
    const std::string& by = first.switch_mm().mm();
    say_(fmt::format("preempted: {}", action_text(first)));
    i.next = 1;
    kernel_.preempt(by.empty() ? nullptr : &spaces_.at(by, cpu), [&] {
      spaces_.load(cpu, by);
      perform_rest(i, "meanwhile");
      say_(fmt::format("back to the process of {}", before));
    });
    spaces_.load(cpu, before);
  }
  say_(fmt::format("vCPU {} goes on", cpu));
  within_ = false;
}

void interludes::perform_rest(interlude_to_come& i, const std::string& who) {
  for (; i.next < i.what->step_size(); ++i.next) {
    say_(fmt::format("{}: {}", who, action_text(i.what->step(i.next))));
    if (perform_(i.what->step(i.next))) continue;
    return say_("it waits for a lock");
  }
}

}  // namespace pvmmu::tools
