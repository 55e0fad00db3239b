#pragma once
// Records what is done on the machines of a server, each in a file of its own (proto/recording.proto):
//
//   recorder r("x.rec", say);
//   {
//     xen::server s({.listens = r.listens()});
//     s.run();                                  // the second machine is recorded in x-2.rec, and so on
//   }
//   r.check();
//
// A request is in the file before it is answered. Beside the files the link `latest` names the newest.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "hypervisor-model/server_listener.h"
#include "tools/recording_file.h"

namespace pvmmu::tools {

class recorder {
 public:
  /// Begins `path`. Throws std::runtime_error where it cannot be written, and input_error for a name that `latest` has.
  /// `say` is told, by the server's thread, what a user should know meanwhile: one line.
  recorder(std::string path, std::function<void(const std::string&)> say);

  /// For a server, which must not outlive this.
  xen::server_listener_factory listens();
  /// Behind the server's life: throws std::runtime_error if a recording could not be written.
  void check() const;
  /// The files that were begun, one a machine.
  std::vector<std::string> files() const;

 private:
  std::unique_ptr<xen::server_listener> start(const xen::machine& m, const wire::hello_request& first);

  std::string path_;
  std::function<void(const std::string&)> say_;
  std::optional<recording_writer> first_;  ///< begun, and waiting for the first machine
  unsigned machines_ = 0;                  ///< so far
  std::optional<std::string> error_;
};

}  // namespace pvmmu::tools
