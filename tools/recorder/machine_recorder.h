#pragma once
// Writes one machine's recording: what the sessions on it ask, and what is answered; and now and then an image of the
// machine, so that a reader may begin there. An image comes when the pieces since the last one are some times as large:
// images make a file a little larger, and never much, and what lies between two of them is made again at once.

#include <functional>
#include <string>

#include "hypervisor-model/server_listener.h"
#include "tools/recording_file.h"

namespace pvmmu::tools {

class machine_recorder final : public xen::server_listener {
 public:
  /// Writes the header. `failed` is told, once, why the recording ends early.
  machine_recorder(recording_writer writer, const xen::machine& m, const wire::hello_request& first,
                   std::function<void(const std::string&)> failed);
  /// Ends the recording.
  ~machine_recorder() override;

  void on_note(const wire::note& note) override;
  void on_request(const wire::request& request, const wire::reply& reply) override;

 private:
  void add_image();

  recording_writer writer_;
  const xen::machine& m_;
  u64 image_due_;  ///< when the file has so many bytes
  std::function<void(const std::string&)> failed_;
  recording::record record_;  ///< its memory is used again
};

}  // namespace pvmmu::tools
