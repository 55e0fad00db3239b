#pragma once
// Preempts a machine at chosen ones of the checks that it makes: what an interrupt does to the real Xen, but at a known
// place.
//
//   const requested_preemption preempted(m, std::array{1u, 3u});   // the first check and the third say yes
//   do_hypercall(m, curr, call);

#include <span>

#include "hypervisor-model/machine/machine.h"

namespace pvmmu::xen {

class requested_preemption final : public preemption {
 public:
  /// `checks`: counted from 1, ascending. They must outlive this.
  requested_preemption(machine& m, std::span<const u32> checks) : m_(m), checks_(checks), before_(m.preempt_by(this)) {}
  ~requested_preemption() override { m_.preempt_by(before_); }
  requested_preemption(const requested_preemption&) = delete;
  requested_preemption& operator=(const requested_preemption&) = delete;

  bool check() override {
    ++made_;
    if (checks_.empty() || checks_.front() != made_) return false;
    checks_ = checks_.subspan(1);
    return true;
  }

 private:
  machine& m_;
  std::span<const u32> checks_;
  preemption* before_;
  u32 made_ = 0;
};

}  // namespace pvmmu::xen
