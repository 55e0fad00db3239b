#pragma once
// A session that goes on as long as one likes: a domain that maps, unmaps, stores and flushes, all from a seed. The
// same seed makes the same requests and the same machine.
//
//   long_run run(seed, [&](const xen::machine& m, const wire::hello_request& first) {
//     return std::make_unique<machine_recorder>(writer, m, first, failed);
//   });
//   while (run.requests() < 1'000'000) run.step();

#include <random>
#include <string>
#include <vector>

#include "hypervisor-model/server_handler.h"

namespace pvmmu::tools {

class long_run {
 public:
  explicit long_run(u64 seed, xen::server_listener_factory listens = {});

  /// One request that is carried out.
  void step();
  /// So far: the first one builds the domain.
  u64 requests() const { return requests_; }
  const xen::machine& machine() const { return *machine_; }

 private:
  void ask(const wire::request& request);
  u64 below(u64 n) { return from_() % n; }
  update_va_mapping_call any_mapping();

  const xen::machine* machine_ = nullptr;
  xen::server_machines machines_;
  xen::server_handler handler_{machines_, xen::session_limits{}};
  std::mt19937_64 from_;
  start_info info_;
  u64 requests_ = 0;
  std::string payload_;
  std::vector<u8> answer_;
};

}  // namespace pvmmu::tools
