#include "tools/scenario_checker.h"

namespace pvmmu::tools {

namespace sc = pvmmu::scenario;

void scenario_checker::check_kernel_memory_step(const sc::step& s) const {
  switch (s.action_case()) {
    case sc::step::kKfenceProtect: return check_frame(s.kfence_protect().frame());
    case sc::step::kKfenceUnprotect: return check_frame(s.kfence_unprotect().frame());
    default: break;
  }
}

}  // namespace pvmmu::tools
