#pragma once
// All that the guest's side can do to the world: make a hypercall, touch memory. Knows no transport.
// `channel_client` implements it over the channel; benchmarks and tests may bind it to a hypervisor directly.

#include <expected>
#include <string_view>

#include "proto/abi/access.h"
#include "proto/abi/domain_config.h"
#include "proto/abi/hypercall.h"

namespace pvmmu::guest {

/// The domain runs no more: Xen crashed it, during this call or an earlier one.
struct domain_crashed {};

class hypercalls {
 public:
  virtual ~hypercalls() = default;

  /// Runs `call` on `vcpu` to its end, continuations followed. Results of multicall entries and `pdone` are written
  /// into `call`. `caller` names the kernel function that asks, for reports only.
  virtual std::expected<long, domain_crashed> call(vcpu_id_t vcpu, hypercall& call, std::string_view caller) = 0;

  /// One load or store by `vcpu`, through the tables that it has loaded.
  virtual std::expected<access_result, domain_crashed> access(vcpu_id_t vcpu, const access_request& request,
                                                              std::string_view caller) = 0;
};

}  // namespace pvmmu::guest
