#include "tools/compare/taking_turns.h"

#include <thread>
#include <utility>

namespace pvmmu::compare {

vcpu_id_t taking_turns::next() const {
  const bool known = calls_ < order_.size() && unfinished_.contains(order_[calls_]);
  if (known) return order_[calls_];
  return unfinished_.contains(turn_) ? turn_ : *unfinished_.begin();
}

void taking_turns::run(const std::map<vcpu_id_t, std::function<void()>>& work) {
  for (const auto& [vcpu, unused] : work) unfinished_.insert(vcpu);
  turn_ = next();
  std::vector<std::jthread> threads;
  threads.reserve(work.size());
  for (const auto& [vcpu, its_work] : work) threads.emplace_back([this, &vcpu, &its_work] { run_one(vcpu, its_work); });
  threads.clear();
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void taking_turns::run_one(vcpu_id_t vcpu, const std::function<void()>& work) {
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return turn_ == vcpu; });
  }
  std::exception_ptr failure;
  try {
    work();
  } catch (...) {
    failure = std::current_exception();
  }
  const std::lock_guard lock(mutex_);
  if (failure) failure_ = failure;
  unfinished_.erase(vcpu);
  if (!unfinished_.empty()) turn_ = next();
  changed_.notify_all();
}

void taking_turns::called(vcpu_id_t vcpu) {
  std::unique_lock lock(mutex_);
  ++calls_;
  // A call that is made for another vCPU, by an interrupt on it, is part of what the caller does.
  if (unfinished_.size() < 2 || vcpu != turn_) return;
  turn_ = next();
  changed_.notify_all();
  changed_.wait(lock, [&] { return turn_ == vcpu; });
}

}  // namespace pvmmu::compare
