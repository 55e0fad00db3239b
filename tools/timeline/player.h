#pragma once
// Makes a recording's pieces again in a machine of the model, one by one. It judges nothing: what is not as recorded is
// found in what it returns (played_piece.h) and in the machine.
//
//   player p{run.header, run.before};
//   const played_piece played = p.play(1, run.pieces[0], rest_of(run.pieces, order.pieces(), 0));
//   p.machine().page(mfn)                                     // the state behind it
//
// A recording of the real thing has the pieces of calls, which start from a snapshot. One of the model has whole calls,
// and domains that are built.

#include <memory>
#include <optional>

#include "hypervisor-model/machine_image.h"
#include "hypervisor-model/ro_page_fault.h"
#include "proto/codec.h"
#include "tools/replay_preemption.h"
#include "tools/snapshot_records.h"
#include "tools/timeline/played_piece.h"

namespace pvmmu::tools {

class player : private entry_listener, private event_sink {
 public:
  /// The machine is as it was before the first piece; without a state there are no domains yet. Throws
  /// std::invalid_argument for a state or a machine that cannot be.
  player(const recording::header& header, const std::optional<machine_state>& before);
  player(const player&) = delete;
  player& operator=(const player&) = delete;

  /// `sink` hears what the machine does from now on.
  void listen(event_sink* sink) { sink_ = sink; }
  /// Makes a piece, and `rest` tells what it was left with; nullptr: it came to its end. Both must outlive what is
  /// returned. Throws std::invalid_argument for what cannot be.
  played_piece play(u64 number, const recording::piece& piece, const recording::piece* rest);

  xen::machine& machine() { return *m_; }
  /// Goes on with this machine: the same at another moment.
  void go_on_with(std::unique_ptr<xen::machine> m);

 private:
  void before_multicall_entry(u32 entry) override;
  void on_event(const event& e) override;
  void load(const machine_state& before);
  void attach();
  void take_contents(u32 entry);
  void play_write();
  void play_call();
  void play_whole_call();
  void play_access();
  void check_room(u64 pages) const;
  void create_domain();
  void destroy_domain();
  void decode_call();
  void offer_frames();
  long run_call();
  bool check_write(const recording::emulated_write& write, xen::ptwr_store& store);
  void adopt_accessed_dirty(const xen::ptwr_store& store);
  mfn_t checked(u64 mfn) const;
  xen::domain& asking_domain() const;
  xen::vcpu& asking_vcpu() const;

  bool of_model_;
  std::unique_ptr<xen::machine> m_;
  event_sink* sink_ = nullptr;
  recorded_preemption preemption_;
  decoded_call decoded_;
  played_piece played_;     ///< that is being made
  u32 entries_before_ = 0;  ///< of its multicall that ran before the model took the rest up again
};

}  // namespace pvmmu::tools
