#pragma once
// Requests as a guest of any language would put them together, and what the answers look like.

#include <gtest/gtest.h>

#include <ostream>
#include <string>

#include "hypervisor-model/server_handler.h"
#include "proto/codec.h"
#include "proto/framing.h"

namespace pvmmu::testing {

inline wire::request hello(const std::string& machine_name = "", u32 version = protocol_version) {
  wire::request request;
  request.mutable_hello()->set_protocol_version(version);
  request.mutable_hello()->set_machine_name(machine_name);
  return request;
}

inline wire::request create_domain(const domain_config& config = {.pages = 2048, .kernel_pages = 16}) {
  wire::request request;
  encode(config, *request.mutable_create_domain());
  return request;
}

inline wire::request destroy_domain(u32 domid) {
  wire::request request;
  request.mutable_destroy_domain()->set_domid(domid);
  return request;
}

inline wire::request make_call(u32 domid, const hypercall& call, u32 vcpu = 0) {
  wire::request request;
  request.mutable_hypercall()->set_domid(domid);
  request.mutable_hypercall()->set_vcpu(vcpu);
  encode(call, *request.mutable_hypercall()->mutable_call());
  return request;
}

inline wire::request access_memory(u32 domid, const access_request& access, u32 vcpu = 0) {
  wire::request request;
  encode(access, *request.mutable_access());
  request.mutable_access()->set_domid(domid);
  request.mutable_access()->set_vcpu(vcpu);
  return request;
}

inline wire::request query_frame(u64 mfn) {
  wire::request request;
  request.mutable_query_frames()->add_mfns(mfn);
  return request;
}

inline wire::request read_table(u64 mfn) {
  wire::request request;
  request.mutable_read_table()->set_mfn(mfn);
  return request;
}

inline std::vector<u8> framed(const std::string& payload) {
  std::vector<u8> frame;
  std::copy(payload.begin(), payload.end(), add_frame(frame, static_cast<u32>(payload.size())));
  return frame;
}

/// Adds a frame's payload to an answer. Whether the answer is complete.
inline bool add_payload(std::span<const u8> payload, wire::reply& answer) {
  wire::reply part;
  EXPECT_TRUE(part.ParseFromArray(payload.data(), static_cast<int>(payload.size())));
  answer.MergeFrom(part);
  return part.outcome_case() != wire::reply::OUTCOME_NOT_SET;
}

/// A session without a socket.
class peer {
 public:
  explicit peer(xen::server_machines& machines, const xen::session_limits& limits = {}) : handler_(machines, limits) {}

  wire::reply ask(const wire::request& request) { return ask_bytes(request.SerializeAsString()); }

  wire::reply ask_bytes(const std::string& payload) {
    std::vector<u8> out;
    handler_.handle({reinterpret_cast<const u8*>(payload.data()), payload.size()}, out);
    frame_reader reader(max_reply_bytes);
    wire::reply answer;
    bool complete = false;
    for (std::span<const u8> rest = out; !complete;) {
      const auto payload_of_reply = reader.next();
      if (payload_of_reply && *payload_of_reply) {
        complete = add_payload(**payload_of_reply, answer);
      } else {
        const auto room = reader.prepare();
        const std::size_t n = std::min(room.size(), rest.size());
        if (!payload_of_reply || n == 0) return ADD_FAILURE() << "the answer has no outcome", answer;
        std::copy_n(rest.begin(), n, room.begin());
        reader.commit(n);
        rest = rest.subspan(n);
      }
    }
    EXPECT_TRUE(reader.between_frames()) << "one answer a request";
    return answer;
  }

 private:
  xen::server_handler handler_;
};

inline void expect_error(const wire::reply& reply, wire::error::error_code code, const std::string& text) {
  ASSERT_TRUE(reply.has_error()) << reply.ShortDebugString();
  EXPECT_EQ(wire::error::error_code_Name(reply.error().code()), wire::error::error_code_Name(code));
  EXPECT_EQ(reply.error().text(), text);
}

}  // namespace pvmmu::testing
