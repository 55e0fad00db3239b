#pragma once
// The guest bound to a hypervisor in the same process, with nothing in between; and what the hypervisor's events say.

#include <vector>

#include "guest-pv/p2m.h"
#include "guest-pv/pgtable.h"
#include "hypervisor-model/domain_builder.h"
#include "hypervisor-model/guest_access.h"
#include "hypervisor-model/hypercall.h"
#include "tests/guest-pv/recorded_call.h"

namespace pvmmu::guest {

class direct_hypercalls final : public hypercalls {
 public:
  direct_hypercalls(xen::machine& m, const start_info& info)
      : m_(m), d_(*m.find_domain(info.domid)), p2m_(info.p2m, info.nr_pages) {}

  std::expected<long, domain_crashed> call(vcpu_id_t vcpu, hypercall& call, std::string_view caller) override {
    if (d_.crashed) return std::unexpected(domain_crashed{});
    if (caller == refuse_calls_of) return -22;
    recorded_call made = record(call, caller);
    made.result = xen::do_hypercall(m_, *d_.vcpus[vcpu], call);
    if (d_.crashed) return std::unexpected(domain_crashed{});
    if (const auto* batch = std::get_if<multicall_call>(&call)) {
      for (std::size_t i = 0; i < made.entries.size(); ++i) made.entries[i].result = batch->call_list[i].result;
    }
    calls.push_back(made);
    return made.result;
  }

  std::expected<access_result, domain_crashed> access(vcpu_id_t vcpu, const access_request& request,
                                                      std::string_view caller) override {
    if (d_.crashed) return std::unexpected(domain_crashed{});
    const access_result result = xen::guest_access(m_, *d_.vcpus[vcpu], request);
    if (d_.crashed) return std::unexpected(domain_crashed{});
    if (result.emulated) {
      calls.push_back({.caller = std::string(caller),
                       .updates = {{maddr_of_direct_map(request.va), request.value}},
                       .store = request.kind});
    }
    return result;
  }

  /// "xen_alloc_ptpage: PIN_L1_TABLE L1 = -22" for each call, and each entry of a multicall, that was refused.
  std::vector<std::string> refused(const frame_names& names = {}) const {
    std::vector<std::string> lines;
    for (const recorded_call& c : calls) {
      if (c.result < 0) lines.push_back(fmt::format("{}: {} = {}", c.caller, describe(c, names), c.result));
      for (const recorded_call& e : c.entries) {
        if (e.result < 0) lines.push_back(fmt::format("{}: {} = {}", c.caller, describe(e, names), e.result));
      }
    }
    return lines;
  }

  /// What this kernel function asks is answered -EINVAL, and not done.
  std::string refuse_calls_of;
  /// In order: hypercalls, and stores that Xen emulated.
  std::vector<recorded_call> calls;

 private:
  u64 maddr_of_direct_map(u64 va) const {
    return mfn_to_maddr(p2m_.pfn_to_mfn({(va - PAGE_OFFSET) >> PAGE_SHIFT}), va & PAGE_OFFSET_MASK).bytes;
  }

  xen::machine& m_;
  xen::domain& d_;
  p2m p2m_;
};

}  // namespace pvmmu::guest
