#pragma once
// The answer to one request as it grows: events into as many frames as they take, and the outcome in the last.

#include <google/protobuf/arena.h>

#include <string>
#include <vector>

#include "proto/abi/event.h"
#include "wire.pb.h"

namespace pvmmu::xen {

/// Why a request is refused. Before it nothing has been changed.
struct refusal {
  wire::error::error_code code;
  std::string text;
};

/// Appends frames to `out`. Hears events while a machine has it as its listener.
class server_reply final : public event_sink {
 public:
  server_reply(google::protobuf::Arena& arena, std::vector<u8>& out, u64 max_event_bytes);

  /// Where the outcome goes.
  wire::reply& message() { return *message_; }
  void on_event(const event& e) override;
  void refuse(const refusal& why);
  /// The answer is complete: nothing is to be called after it.
  void finish();

 private:
  void add_to_out();

  std::vector<u8>& out_;
  std::size_t event_bytes_end_;  ///< of `out_`
  wire::reply* message_;
};

}  // namespace pvmmu::xen
