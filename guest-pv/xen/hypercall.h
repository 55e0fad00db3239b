#pragma once
// Hypercalls as the Xen backend makes them: what they wrote to page tables is known to the kernel afterwards.

#include "guest-pv/pgtable.h"

namespace pvmmu::guest {

class xen_hypercall {
 public:
  xen_hypercall(processor& cpu, page_tables& tables) : cpu_(cpu), tables_(tables) {}

  long make(hypercall& call, std::string_view caller);
  /// BUG_ON(result): for calls that Linux takes for granted.
  void make_or_bug(hypercall call, std::string_view caller);

  processor& cpu() { return cpu_; }

 private:
  processor& cpu_;
  page_tables& tables_;
};

/// What Linux logs and does at a BUG(): guest_stopped.
[[noreturn]] void bug(processor& cpu, std::string_view where);

}  // namespace pvmmu::guest
