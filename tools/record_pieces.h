#pragma once
// Makes a recording's pieces of what was heard: an entry into a handler, the tables that were validated in it, the
// entries of a multicall, the return. What the guest goes on with is a piece of its own.
//
//   piece_maker pieces{callers};
//   while (auto event = stream.next()) {
//     pieces.take(*event);
//     while (auto piece = pieces.next()) writer.add(*piece);        // in the order of the entries
//   }

#include <deque>
#include <functional>
#include <map>
#include <string>

#include "tools/lab/plugin/guest_structs.h"
#include "tools/record_call.h"

namespace pvmmu::tools {

class piece_maker {
 public:
  /// The kernel functions that led to a call, innermost first.
  using callers_of = std::function<std::vector<std::string>(const lab::heard_entry&)>;
  explicit piece_maker(callers_of callers = {}) : callers_(std::move(callers)) {}

  /// Throws lab::lab_error for events that no Xen can cause.
  void take(const lab::heard_event& event);
  /// The next piece, once it and all that were entered before it are finished.
  std::optional<recording::piece> next();

  /// Whether some handler was entered and has not returned.
  bool is_within_call() const { return !open_.empty(); }
  /// Calls that Xen never came back from, as it ended their domain. They are no pieces.
  u64 never_returned() const { return never_returned_; }
  /// Calls that a recording does not hold, by name.
  const std::map<std::string, u64>& not_recorded() const { return not_recorded_; }

 private:
  enum class stage { open, finished, dropped };
  struct numbered_piece {
    stage is = stage::open;
    recording::piece piece;
  };
  /// A handler that was entered.
  struct entered_handler {
    lab::heard::handler handler;
    std::array<u64, 6> args;
  };
  struct open_call {
    u64 number = 0;  ///< of its piece
    entered_handler asked;
    bool is_recorded = true;
    std::vector<lab::guest::multicall_entry> list;
    std::optional<entered_handler> entry;  ///< of the multicall, that runs
  };
  using vcpu_key = std::pair<u16, u16>;  ///< domid, number

  void take(const lab::heard_entry& entry);
  void take(const lab::heard_exit& exit);
  void take(const lab::heard_table& table);
  void begin_piece(const lab::heard_entry& entry);
  void begin_multicall_entry(open_call& call, const lab::heard_entry& entry);
  void finish_piece(const open_call& call, const lab::heard_exit& exit);
  void end_multicall(const open_call& call, const lab::heard_exit& exit);
  void add_unheard_entry(const open_call& call);
  recording::piece& piece_of(const open_call& call) { return pieces_[call.number - first_].piece; }
  wire::multicall_call& multicall_of(const open_call& call);

  callers_of callers_;
  std::deque<numbered_piece> pieces_;
  u64 first_ = 0;  ///< number of pieces_.front()
  u64 moment_ = 0;
  std::map<vcpu_key, open_call> open_;
  u64 never_returned_ = 0;
  std::map<std::string, u64> not_recorded_;
};

}  // namespace pvmmu::tools
