#pragma once
// A gdb stub that says what a test tells it to.
//
//   fake_gdb_stub stub{greeting() + says("m10,2", "beef") + exchanges{{"g", {"$00", "ff#2c"}}}};
//   gdb_client gdb{stub.socket()};
//   …
//   EXPECT_EQ(stub.ended(), "");

#include <string>
#include <thread>
#include <vector>

#include "tools/lab/unique_fd.h"

namespace pvmmu::lab {

struct exchange {
  std::string request;               ///< a payload; "-" for a packet that the client has not understood; "\x03"
  std::vector<std::string> answers;  ///< bytes as they go over the socket, with a moment between them
};
using exchanges = std::vector<exchange>;

exchanges operator+(exchanges a, const exchanges& b);
/// A request, acknowledged and answered.
exchanges says(const std::string& request, const std::string& answer);
/// What a client asks first: a stub of packets of 256 bytes, for a machine with four registers.
exchanges greeting();

class fake_gdb_stub {
 public:
  /// After its last exchange it listens on, or, if it `leaves`, closes the connection.
  explicit fake_gdb_stub(exchanges script, bool leaves = false);
  ~fake_gdb_stub();
  fake_gdb_stub(const fake_gdb_stub&) = delete;
  fake_gdb_stub& operator=(const fake_gdb_stub&) = delete;

  /// The client's end.
  unique_fd socket() { return std::move(client_end_); }
  /// Waits until the client has gone: what it asked against the script, or did not ask.
  std::string ended();

 private:
  void serve(bool leaves);
  bool answer(const std::string& request);

  exchanges script_;
  std::size_t next_ = 0;
  std::string complaint_;
  unique_fd client_end_;
  unique_fd own_end_;
  std::thread thread_;
};

}  // namespace pvmmu::lab
