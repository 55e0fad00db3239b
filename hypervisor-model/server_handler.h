#pragma once
// One session's requests: bytes in, bytes out, no socket.
//
//   server_machines machines;
//   server_handler handler(machines, session_limits{});
//   handler.handle(payload, out);      // `out` grows by the frames of the answer
//
// With it go the session's domains.

#include <google/protobuf/arena.h>

#include <map>
#include <memory>
#include <span>
#include <vector>

#include "hypervisor-model/domain.h"
#include "hypervisor-model/server_machines.h"
#include "hypervisor-model/server_options.h"
#include "hypervisor-model/server_reply.h"
#include "proto/codec.h"

namespace pvmmu::xen {

class server_handler {
 public:
  server_handler(server_machines& machines, const session_limits& limits);
  ~server_handler();
  server_handler(const server_handler&) = delete;
  server_handler& operator=(const server_handler&) = delete;

  /// Carries out one request, whole or not at all.
  void handle(std::span<const u8> payload, std::vector<u8>& out);
  /// The stream makes no sense from here on.
  void refuse_stream(const std::string& why, std::vector<u8>& out) { refuse({wire::error::malformed_frame, why}, out); }
  /// There is no room for this session.
  void turn_away(const std::string& why, std::vector<u8>& out) { refuse({wire::error::limit_reached, why}, out); }

 private:
  template <class T>
  using result = std::expected<T, refusal>;

  result<void> dispatch(const wire::request& request, server_reply& reply);
  result<void> serve(const wire::hello_request& request, server_reply& reply);
  result<void> serve(const wire::create_domain_request& request, server_reply& reply);
  result<void> serve(const wire::destroy_domain_request& request, server_reply& reply);
  result<void> serve(const wire::hypercall_request& request, server_reply& reply);
  result<void> serve(const wire::access_request& request, server_reply& reply);
  result<void> serve(const wire::query_frames_request& request, server_reply& reply);
  result<void> serve(const wire::read_table_request& request, server_reply& reply);
  result<void> serve(const wire::read_counters_request& request, server_reply& reply);

  void refuse(const refusal& why, std::vector<u8>& out);
  result<domain*> own_domain(u32 domid);
  result<vcpu*> own_vcpu(u32 domid, u32 vcpu_id);
  u64 pages_in_use() const;

  server_machines& machines_;
  session_limits limits_;
  std::shared_ptr<served_machine> served_;  ///< none before hello
  machine* machine_ = nullptr;              ///< in it
  server_listener* listener_ = nullptr;     ///< of it; often none
  bool events_ = false;
  std::map<domid_t, u64> domains_;  ///< the session's own, and their frames of memory

  // Memory that is used again for each request.
  std::vector<char> first_block_;
  google::protobuf::Arena arena_;
  decoded_call call_;
};

}  // namespace pvmmu::xen
