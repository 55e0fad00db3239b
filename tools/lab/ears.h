#pragma once
// Hears what happens in a Xen that runs in QEMU: the plugin that QEMU is to load (tools/lab/plugin), told where in this
// Xen to listen, and what it has written so far.
//
//   ears hearing{plugin, symbols};
//   machine_in_qemu machine{{…, .plugin = hearing.plugin(), .inherited = {hearing.descriptor()}}, ram};
//   machine.monitor().stop();
//   for (event_stream events{hearing.heard()}; auto event = events.next();) …     // event_stream.h
//   hearing.forget();                                                             // and go on
//
// The events lie in memory without a name. A processor writes each before it goes on, so a machine that stands still
// has written all of them.

#include <filesystem>
#include <span>

#include "tools/lab/symbol_map.h"
#include "tools/lab/unique_fd.h"

namespace pvmmu::lab {

class ears {
 public:
  /// Throws lab_error where the plugin's file or one of Xen's symbols is missing.
  ears(std::filesystem::path plugin, const symbol_map& symbols);
  ~ears();
  ears(const ears&) = delete;
  ears& operator=(const ears&) = delete;

  /// For QEMU's -plugin.
  const std::string& plugin() const { return argument_; }
  /// That QEMU must inherit.
  int descriptor() const { return events_.get(); }

  /// The events since the last `forget`. Valid until the next call. Throws lab_error if the plugin did not begin.
  std::span<const u8> heard();
  /// For a machine that stands still.
  void forget();

 private:
  void unmap();

  unique_fd events_;
  std::string argument_;
  std::span<u8> mapped_;
  bool begun_ = false;  ///< the stream's head was forgotten
};

}  // namespace pvmmu::lab
