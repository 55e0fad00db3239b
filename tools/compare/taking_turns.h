#pragma once
// Several vCPUs' operations under way at once, one of them running at a time, in the order in which real vCPUs called:
//
//   taking_turns turns({0, 0, 1, 0});             // the vCPU of each recorded call
//   turns.run({{0, [&] { … }}, {1, [&] { … }}});  // whose calls are told by
//   turns.called(vcpu);                           // … which returns when it is this vCPU's turn again
//
// A vCPU goes on behind its last call only when the next call is to be its own. So what it does between two calls is
// done late: right before the second.

#include <condition_variable>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <vector>

#include "proto/abi/types.h"

namespace pvmmu::compare {

class taking_turns {
 public:
  explicit taking_turns(std::vector<vcpu_id_t> order) : order_(std::move(order)) {}

  /// Returns when all are through; what one of them throws is thrown here.
  void run(const std::map<vcpu_id_t, std::function<void()>>& work);
  /// A call was made. Outside of `run` it is only counted.
  void called(vcpu_id_t vcpu);

 private:
  void run_one(vcpu_id_t vcpu, const std::function<void()>& work);
  /// Who makes the next call: as recorded; where that one has nothing left to do, whoever has.
  vcpu_id_t next() const;

  const std::vector<vcpu_id_t> order_;
  std::size_t calls_ = 0;
  std::mutex mutex_;  ///< of all below
  std::condition_variable changed_;
  std::set<vcpu_id_t> unfinished_;
  vcpu_id_t turn_ = 0;
  std::exception_ptr failure_;
};

}  // namespace pvmmu::compare
