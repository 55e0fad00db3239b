#pragma once
// QEMU's machine protocol: one JSON object a line. Only success matters to us, so nothing of the answers is parsed.
//
//   qmp monitor{std::move(socket)};
//   monitor.stop();
//   monitor.memsave(0xffff82e000000000, 32 * frames, "/dev/fd/5");

#include <expected>
#include <string>

#include "proto/abi/types.h"
#include "tools/lab/line_reader.h"
#include "tools/lab/unique_fd.h"

namespace pvmmu::lab {

class qmp {
 public:
  /// Takes QEMU's greeting. Throws lab_error if it does not come.
  explicit qmp(unique_fd socket);

  /// The machine stands still. Throws lab_error, as all that follow.
  void stop();
  void cont();
  /// Writes `bytes` of the processor's virtual addresses to a file of QEMU's. The error: what QEMU says, for example
  /// because nothing is mapped there now.
  std::expected<void, std::string> memsave(u64 va, u64 bytes, const std::string& file);

 private:
  std::expected<void, std::string> execute(const std::string& command, const std::string& arguments = "{}");
  unique_fd socket_;
  line_reader lines_;
};

}  // namespace pvmmu::lab
