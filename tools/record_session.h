#pragma once
// A Linux on the real Xen whose every MMU call is heard, stopped at two moments:
//
//   record_session session{options, say};      // boots until INIT UP
//   machine_state before = session.begin();    // what was heard until here is forgotten
//   session.run();
//   machine_state after = session.end();       // what is heard from here on does not count
//   caller_finder callers = session.read_callers();
//   for (event_stream events{session.heard()}; …)

#include "tools/lab/ears.h"
#include "tools/lab/linux_image.h"
#include "tools/lab/linux_session.h"
#include "tools/lab/stopped_xen.h"
#include "tools/record.h"
#include "tools/record_callers.h"
#include "tools/record_pieces.h"
#include "tools/record_roots.h"
#include "tools/snapshot_records.h"

namespace pvmmu::tools {

using talk = std::function<void(const std::string&)>;

class record_session {
 public:
  record_session(const record_options& options, const talk& say);

  /// Each stops the machine at a moment when no call is open, reads its state and lets it go on.
  machine_state begin();
  machine_state end();
  /// Hands /init its line and waits until it is done: its exit status, if /init says it.
  std::optional<int> run();
  /// Asks /init for the kernel's symbols. Without them, which is said, there are no callers.
  caller_finder read_callers();
  /// The events between `begin` and `end`. Valid until the next call of anything.
  std::span<const u8> heard() { return hearing_.heard().first(end_); }

  const std::string& xen_version() const { return xen_.version; }
  const lab::linux_image& kernel() const { return kernel_; }

 private:
  bool is_within_call();
  /// The machine, which stands still at such a moment.
  std::unique_ptr<lab::stopped_xen> stop();

  const record_options& options_;
  const talk& say_;
  lab::linux_image kernel_;
  lab::xen_package xen_;
  lab::symbol_map xen_symbols_;
  lab::ears hearing_;
  std::shared_ptr<lab::shared_memory> ram_;
  lab::shared_memory dump_;
  lab::linux_session session_;
  piece_maker listened_;  ///< to all that was heard, to know what is open and loaded
  followed_roots roots_;
  u64 end_ = 0;  ///< bytes of what was heard, that were listened to
  lab::kernel_code code_;
};

}  // namespace pvmmu::tools
