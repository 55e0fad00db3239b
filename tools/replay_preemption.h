#pragma once
// Preempts the model where the recording says that the real hypervisor was, and nowhere else.
//
// A piece of a call that ended with a continuation was either left by Xen on its own account (a table is to be dropped
// first; the call inside a multicall was left): the model does that by itself, and is never asked. Or something else
// wanted the processor: then the model, which asks at the same places as Xen, is told so at the place from which the
// rest of the call follows.
//
//   recorded_preemption preempt;             // hears the machine's events, to know where in the call it is
//   m.listen(&preempt);  m.preempt_by(&preempt);
//   preempt.begin_piece({.entries = 3});     // three entries were done when the piece ended
//   do_hypercall_piece(…);
//   if (preempt.fired()) …                   // a true preemption

#include <optional>
#include <vector>

#include "hypervisor-model/machine/machine.h"

namespace pvmmu::tools {

/// Where a piece ended that was continued.
struct preempted_at {
  u32 entries = 0;                  ///< entries of the call that were done with
  std::optional<u32> in_multicall;  ///< of the multicall's entry `entries`, where that one was left halfway
};

/// Hears that an entry of a call is about to be handled.
class entry_listener {
 public:
  virtual ~entry_listener() = default;
  virtual void before_multicall_entry(u32 entry) = 0;
};

class recorded_preemption : public xen::preemption, public event_sink {
 public:
  explicit recorded_preemption(entry_listener& listener) : listener_(listener) {}

  /// Nothing: the piece ran to the call's end.
  void begin_piece(std::optional<preempted_at> where);
  /// Whether the model was preempted at the recording's word.
  bool fired() const { return fired_; }

  bool check() override;
  void on_event(const event& e) override;

 private:
  /// A call that is running: a multicall, and in it one of its entries.
  struct running_call {
    u64 number;
    u32 begun = 0;  ///< entries
  };
  bool is_the_place() const;

  entry_listener& listener_;
  std::optional<preempted_at> where_;
  std::vector<running_call> running_;
  bool fired_ = false;
};

}  // namespace pvmmu::tools
