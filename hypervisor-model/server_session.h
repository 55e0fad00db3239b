#pragma once
// A connection that only reads and writes: what a frame means is the handler's business.
//
//   auto s = std::make_shared<server_session<server_handler>>(std::move(socket), machines, limits);
//   s->start();
//
// It lives as long as it waits for its socket. One request is answered, with one write, before the next is looked at:
// whoever sends faster than it reads waits. A handler offers
//   void handle(std::span<const u8> payload, std::vector<u8>& out)            appends the frames of an answer
//   void refuse_stream(const std::string& why, std::vector<u8>& out)          the same, before the connection is closed

#include <boost/asio/buffer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/write.hpp>
#include <memory>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "proto/framing.h"

namespace pvmmu::xen {

template <class Handler>
class server_session : public std::enable_shared_from_this<server_session<Handler>> {
 public:
  using socket = boost::asio::generic::stream_protocol::socket;

  template <class... Args>
  explicit server_session(socket connected, Args&&... handler_args)
      : socket_(std::move(connected)), handler_(std::forward<Args>(handler_args)...) {}

  void start() { read(); }

  /// Instead of `start`: says why not, and ends.
  void turn_away(const std::string& why) {
    handler_.turn_away(why, out_);
    last_answer_ = true;
    write();
  }

  /// Ends the session; what it waits for is given up.
  void close() {
    boost::system::error_code error;
    std::ignore = socket_.close(error);
  }

 private:
  void read() {
    const std::span<u8> room = reader_.prepare();
    socket_.async_read_some(boost::asio::buffer(room.data(), room.size()),
                            [self = this->shared_from_this()](boost::system::error_code error, std::size_t bytes) {
                              if (error) return;  // the peer is gone, and so is the session
                              self->reader_.commit(bytes);
                              self->answer_next();
                            });
  }

  void answer_next() {
    const auto payload = reader_.next();
    if (payload && !*payload) return read();
    out_.clear();
    if (payload) {
      handler_.handle(**payload, out_);
    } else {
      handler_.refuse_stream(payload.error(), out_);
      last_answer_ = true;
    }
    write();
  }

  void write() {
    boost::asio::async_write(socket_, boost::asio::buffer(out_),
                             [self = this->shared_from_this()](boost::system::error_code error, std::size_t) {
                               if (error || self->last_answer_) return;
                               if (self->out_.capacity() > kept_bytes) self->out_ = {};
                               self->answer_next();
                             });
  }

  /// A buffer that has grown larger is not kept for the next answer.
  static constexpr std::size_t kept_bytes = std::size_t{1} << 20;

  socket socket_;
  Handler handler_;
  frame_reader reader_{max_request_bytes};
  std::vector<u8> out_;
  bool last_answer_ = false;
};

}  // namespace pvmmu::xen
