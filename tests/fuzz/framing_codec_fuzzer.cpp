// A stream of bytes from a client: cut into frames, decoded, carried out. The first byte says in what pieces the stream
// comes. Nothing may crash, each frame has one answer, and a call that can be read means the same when it is sent on.

#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <cassert>

#include "hypervisor-model/server_handler.h"
#include "proto/framing.h"
#include "tests/proto/random_call.h"

namespace {

using namespace pvmmu;

/// A session on a small machine, with a domain to name.
class small_session {
 public:
  small_session() {
    wire::request request;
    request.mutable_hello()->set_protocol_version(protocol_version);
    request.mutable_hello()->set_events(true);
    encode(machine_config{.frames = 4096, .debug_build = true}, *request.mutable_hello()->mutable_machine());
    ask(request.SerializeAsString());
    encode(domain_config{.kind = domain_kind::domU, .pages = 1024, .vcpus = 2, .kernel_pages = 4},
           *request.mutable_create_domain());
    ask(request.SerializeAsString());
  }

  void ask(std::string_view payload) {
    out_.clear();
    handler_.handle({reinterpret_cast<const u8*>(payload.data()), payload.size()}, out_);
    assert(out_.size() > frame_header_bytes);
  }

 private:
  xen::server_machines machines_;
  xen::server_handler handler_{machines_,
                               {.max_domains = 4, .max_pages = 4096, .max_event_bytes_per_request = 1 << 20}};
  std::vector<u8> out_;
};

void check_call(const wire::hypercall& message) {
  decoded_call first;
  if (!first.decode(message)) return;
  wire::hypercall sent_on;
  encode(first.call(), sent_on);
  decoded_call second;
  const bool decodes = second.decode(sent_on).has_value();
  assert(decodes && testing::same(first.call(), second.call()));
}

void take_payload(small_session& session, std::span<const u8> payload) {
  wire::request request;
  if (request.ParseFromArray(payload.data(), static_cast<int>(payload.size())) && request.has_hypercall())
    check_call(request.hypercall().call());
  session.ask({reinterpret_cast<const char*>(payload.data()), payload.size()});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const u8* data, std::size_t size) {
  if (size == 0) return 0;
  google::protobuf::SetLogHandler(nullptr);
  small_session session;
  frame_reader reader(max_request_bytes);
  const std::size_t piece = std::size_t{data[0]} + 1;
  for (std::span<const u8> stream(data + 1, size - 1); !stream.empty();) {
    const std::span<u8> room = reader.prepare();
    const std::size_t bytes = std::min({piece, room.size(), stream.size()});
    std::copy_n(stream.begin(), bytes, room.begin());
    reader.commit(bytes);
    stream = stream.subspan(bytes);
    while (true) {
      const auto payload = reader.next();
      if (!payload) return 0;  // the server closes the connection
      if (!*payload) break;
      take_payload(session, **payload);
    }
  }
  return 0;
}
