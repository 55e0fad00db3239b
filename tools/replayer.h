#pragma once
// One recording in the model: the state that it starts from, its calls one by one, the state that it ends with. Each is
// compared as it comes; `replay` (tools/replay.h) reads the file and feeds them.

#include "recording.pb.h"

#include <span>

#include "hypervisor-model/ro_page_fault.h"
#include "hypervisor-model/snapshot.h"
#include "proto/codec.h"
#include "tools/recording_codec.h"
#include "tools/replay.h"
#include "tools/replay_preemption.h"

namespace pvmmu::tools {

class replayer : private entry_listener {
 public:
  /// `vcpus` run on the recorded tables once `start` is called.
  replayer(u64 machine_frames, std::vector<recording::loaded_tables> vcpus, replay_report& report);

  // The state before the first call. All of these throw std::invalid_argument for what cannot be.
  void load(mfn_t first, const frame_run& run);
  void load(const recording::table& table);
  void start();

  /// Replays the piece in place `place` of `order`, which has numbers of pieces. Where it was left, the one behind it
  /// that goes on with it is looked for.
  void replay_piece(std::span<const recording::piece> pieces, std::span<const u32> order, std::size_t place);

  // The state behind the last call.
  void compare(mfn_t first, const frame_run& run);
  void compare(const recording::table& table);

 private:
  void before_multicall_entry(u32 entry) override;
  void take_contents(u32 entry);
  void compare_words(mfn_t table, const table_words& expected, std::string_view when);
  void replay_write(const recording::piece& piece);
  void replay_call(const recording::piece& piece, const recording::piece* rest);
  void offer_frames(const recording::piece& piece);
  long run(const recording::piece& piece, const recording::piece* rest);
  void compare_outcome(const wire::call_outcome& expected, const wire::call_outcome& found);
  void compare_rest(const recording::piece& rest, const hypercall& found);
  bool check_write(const recording::emulated_write& write, xen::ptwr_store& store);
  void adopt_accessed_dirty(const xen::ptwr_store& store);
  void differ(replay_report::kind kind, const std::string& text);
  mfn_t checked(u64 mfn) const;
  xen::vcpu& vcpu_of(const recording::piece& piece) const;

  xen::machine m_;
  xen::domain& d_;
  std::vector<recording::loaded_tables> roots_;
  replay_report& report_;
  recorded_preemption preemption_;
  decoded_call decoded_;
  const recording::piece* piece_ = nullptr;  ///< that is being replayed
  u64 number_ = 0;                           ///< of it, from 1
  bool preempted_ = false;                   ///< the piece, at the recording's word
  u32 entries_before_ = 0;                   ///< of its multicall that ran before the model took the rest up again
};

}  // namespace pvmmu::tools
