#include "guest-pv/pgtable.h"
#include "guest-pv/vmalloc.h"
#include "tools/scenario_checker.h"

namespace pvmmu::tools {

namespace sc = pvmmu::scenario;

void scenario_checker::check_kernel_memory_step(const sc::step& s) const {
  switch (s.action_case()) {
    case sc::step::kKfenceProtect: return check_frame(s.kfence_protect().frame());
    case sc::step::kKfenceUnprotect: return check_frame(s.kfence_unprotect().frame());
    case sc::step::kVmap:
      need(s.vmap().frame_size() != 0, s.vmap(), "frames: expected frame { name: \"f\" }");
      for (const auto& f : s.vmap().frame()) check_frame(f);
      return;
    case sc::step::kVunmap:
      return in_range(s.vunmap(), "va", s.vunmap().va(), guest::VMALLOC_START, guest::VMALLOC_END - 1);
    case sc::step::kFreeFrame: return check_frame(s.free_frame().frame());
    case sc::step::kBalloonOut: return check_frame(s.balloon_out().frame());
    case sc::step::kKernelRead:
      return in_range(s.kernel_read(), "va", s.kernel_read().va(), guest::PAGE_OFFSET, ~u64{0} - 7);
    case sc::step::kDebugFreePage: return check_frame(s.debug_free_page().frame());
    case sc::step::kDebugAllocPage: return check_frame(s.debug_alloc_page().frame());
    case sc::step::kCheckPtBase: return check_frame(s.check_pt_base().frame());
    default: break;
  }
}

}  // namespace pvmmu::tools
