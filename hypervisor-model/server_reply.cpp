#include "hypervisor-model/server_reply.h"

#include <fmt/format.h>

#include "proto/codec.h"
#include "proto/framing.h"

namespace pvmmu::xen {

namespace {

/// So many make frames of some 32 KiB: few enough to stay in the cache, enough for the header to cost nothing.
constexpr int events_per_frame = 1024;

}  // namespace

server_reply::server_reply(google::protobuf::Arena& arena, std::vector<u8>& out, u64 max_event_bytes)
    : out_(out),
      event_bytes_end_(out.size() + max_event_bytes),
      message_(google::protobuf::Arena::CreateMessage<wire::reply>(&arena)) {}

void server_reply::on_event(const event& e) {
  if (out_.size() >= event_bytes_end_) return message_->set_events_dropped(message_->events_dropped() + 1);
  encode(e, *message_->add_events());
  if (message_->events().size() < events_per_frame) return;
  add_to_out();
  message_->clear_events();  // keeps their memory for the next
}

void server_reply::refuse(const refusal& why) {
  wire::error& error = *message_->mutable_error();
  error.set_code(why.code);
  error.set_text(why.text);
  error.set_protocol_version(protocol_version);
}

void server_reply::finish() {
  if (const std::size_t bytes = message_->ByteSizeLong(); bytes > max_reply_bytes)
    refuse({wire::error::limit_reached,
            fmt::format("the reply would have {} bytes, at most {} can be sent", bytes, max_reply_bytes)});
  add_to_out();
}

void server_reply::add_to_out() {
  u8* room = add_frame(out_, static_cast<u32>(message_->ByteSizeLong()));
  message_->SerializeWithCachedSizesToArray(room);
}

}  // namespace pvmmu::xen
