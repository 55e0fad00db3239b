#pragma once
// A machine of the model whose domain is recorded in memory: a kernel bound to it makes the same stream of calls as the
// one that a real machine's recording holds.

#include <functional>

#include "guest-pv/hypercalls.h"
#include "guest-pv/p2m.h"
#include "hypervisor-model/domain.h"
#include "tools/compare/call_stream.h"

namespace pvmmu::compare {

class recorded_machine final : public guest::hypercalls, private event_sink {
 public:
  explicit recorded_machine(const domain_config& config);

  const start_info& info() const { return info_; }
  /// `heard(vcpu)` is called behind each call that is recorded, before the guest learns its result.
  void after_each_call(std::function<void(vcpu_id_t)> heard) { heard_ = std::move(heard); }
  /// Forgets all calls so far: the stream begins here.
  void begin();
  call_stream take_stream() { return std::move(stream_); }

  std::expected<long, guest::domain_crashed> call(vcpu_id_t vcpu, hypercall& call, std::string_view caller) override;
  std::expected<access_result, guest::domain_crashed> access(vcpu_id_t vcpu, const access_request& request,
                                                             std::string_view caller) override;

 private:
  /// Takes down what tables hold that are about to be validated, and counts what was.
  void on_event(const event& e) override;
  recording::piece& add_piece(vcpu_id_t vcpu, std::string_view caller);

  xen::machine m_;
  start_info info_;
  guest::p2m p2m_;
  xen::domain& d_;
  recording::piece piece_;  ///< that is being made
  call_stream stream_;
  std::function<void(vcpu_id_t)> heard_ = [](vcpu_id_t) {};
};

}  // namespace pvmmu::compare
