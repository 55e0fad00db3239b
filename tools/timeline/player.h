#pragma once
// Makes a recording's calls again in a machine of the model, one by one. It judges nothing: what is not as recorded is
// found in what it returns (played_piece.h) and in the machine.
//
//   player p{run};
//   const replay_order order{run.pieces};
//   const played_piece played = p.play(order.pieces(), 0);    // the first piece in that order
//   p.machine().page(mfn)                                     // the state behind it

#include <memory>
#include <span>

#include "hypervisor-model/ro_page_fault.h"
#include "proto/codec.h"
#include "tools/replay_preemption.h"
#include "tools/timeline/played_piece.h"
#include "tools/timeline/recorded_run.h"

namespace pvmmu::tools {

class player : private entry_listener, private event_sink {
 public:
  /// The machine is as it was before the first piece. `run` must stay where it is. Throws std::invalid_argument for a
  /// state that cannot be.
  explicit player(const recorded_run& run);
  player(const player&) = delete;
  player& operator=(const player&) = delete;

  /// `sink` hears what the machine does from now on.
  void listen(event_sink* sink) { sink_ = sink; }
  /// Makes the piece in place `place` of `order`, which has numbers of pieces from 0 on. Where it was left, the one
  /// behind it that goes on with it is looked for. Throws std::invalid_argument for what cannot be.
  played_piece play(std::span<const u32> order, std::size_t place);

  xen::machine& machine() { return *m_; }

 private:
  void before_multicall_entry(u32 entry) override;
  void on_event(const event& e) override;
  void load();
  void take_contents(u32 entry);
  void play_write();
  void play_call();
  void find_rest(std::span<const u32> behind);
  void offer_frames();
  long run_call();
  bool check_write(const recording::emulated_write& write, xen::ptwr_store& store);
  void adopt_accessed_dirty(const xen::ptwr_store& store);
  mfn_t checked(u64 mfn) const;
  xen::vcpu& asking_vcpu() const;

  const recorded_run& run_;
  std::unique_ptr<xen::machine> m_;
  event_sink* sink_ = nullptr;
  recorded_preemption preemption_;
  decoded_call decoded_;
  played_piece played_;     ///< that is being made
  u32 entries_before_ = 0;  ///< of its multicall that ran before the model took the rest up again
};

}  // namespace pvmmu::tools
