#pragma once
// What comes in between, within one step: listens to the moments of a kernel's operation, and has the steps of a
// `during` carried out when theirs has come.
//
//   interludes between(step, kernel, spaces, say, [&](const auto& inner) { …; return true; });
//   perform_kernel_step(step, kernel, spaces, outcome);
//   if (between.left_out()) …

#include "scenario.pb.h"

#include <deque>
#include <functional>

#include "tools/address_spaces.h"

namespace pvmmu::tools {

class interludes {
 public:
  /// Carries out a step. False: it has to wait for a lock that the step around it holds, and did nothing.
  using perform_fn = std::function<bool(const scenario::step&)>;
  /// The error of an operation that has to wait for a lock.
  static constexpr std::string_view waits = "-EBUSY";

  /// `say` is told what comes in between, when it does, and that it is over.
  interludes(const scenario::step& step, guest::kernel& k, address_spaces& spaces,
             std::function<void(const std::string&)> say, perform_fn perform);
  ~interludes() { kernel_.listen({}); }
  interludes(const interludes&) = delete;
  interludes& operator=(const interludes&) = delete;

  /// The first whose moment has not come; nullptr: none.
  const scenario::during* left_out() const { return waiting_.empty() ? nullptr : waiting_.front().what; }

 private:
  struct interlude_to_come {
    const scenario::during* what;
    int next = 0;       ///< of its steps
    bool came = false;  ///< its moment
  };

  void reached(guest::moment m);
  bool has_come(const scenario::during& d, guest::moment m) const;
  void come_in(interlude_to_come& i);
  void perform_rest(interlude_to_come& i, const std::string& who);

  const scenario::step& step_;
  guest::kernel& kernel_;
  address_spaces& spaces_;
  std::function<void(const std::string&)> say_;
  perform_fn perform_;
  std::deque<interlude_to_come> waiting_;
  u32 queued_ = 0;
  u32 calls_ = 0;
  bool within_ = false;  ///< moments of what comes in between are not the step's
};

}  // namespace pvmmu::tools
