#pragma once
// The guest bound to a hypervisor in the same process, with nothing in between; and what the hypervisor's events say.

#include <vector>

#include "guest-pv/hypercalls.h"
#include "hypervisor-model/domain_builder.h"
#include "hypervisor-model/guest_access.h"
#include "hypervisor-model/hypercall.h"

namespace pvmmu::guest {

class direct_hypercalls final : public hypercalls {
 public:
  direct_hypercalls(xen::machine& m, domid_t domid) : m_(m), d_(*m.find_domain(domid)) {}

  std::expected<long, domain_crashed> call(vcpu_id_t vcpu, hypercall& call, std::string_view caller) override {
    if (d_.crashed) return std::unexpected(domain_crashed{});
    const long result = xen::do_hypercall(m_, *d_.vcpus[vcpu], call);
    if (d_.crashed) return std::unexpected(domain_crashed{});
    note(call, result, caller);
    return result;
  }

  std::expected<access_result, domain_crashed> access(vcpu_id_t vcpu, const access_request& request,
                                                      std::string_view) override {
    if (d_.crashed) return std::unexpected(domain_crashed{});
    const access_result result = xen::guest_access(m_, *d_.vcpus[vcpu], request);
    if (d_.crashed) return std::unexpected(domain_crashed{});
    return result;
  }

  /// "xen_alloc_ptpage: mmuext_op -22" for each call, and each entry of a multicall, that was refused.
  std::vector<std::string> refused;
  u64 calls = 0;

 private:
  void note(const hypercall& call, long result, std::string_view caller) {
    ++calls;
    if (result < 0) refused.push_back(fmt::format("{}: {} {}", caller, hypercall_name(call), result));
    if (const auto* batch = std::get_if<multicall_call>(&call)) {
      for (const multicall_entry& e : batch->call_list) {
        if (e.result < 0) refused.push_back(fmt::format("{}: {} {}", caller, hypercall_name(e.call), e.result));
      }
    }
  }

  xen::machine& m_;
  xen::domain& d_;
};

}  // namespace pvmmu::guest
