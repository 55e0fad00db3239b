#pragma once
// Until when something is waited for.

#include <chrono>

namespace pvmmu::lab {

class deadline {
 public:
  explicit deadline(std::chrono::milliseconds from_now) : end_(std::chrono::steady_clock::now() + from_now) {}
  bool passed() const { return left_ms() == 0; }
  /// For poll(): milliseconds, at least 0.
  int left_ms() const {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end_ - std::chrono::steady_clock::now());
    return left.count() > 0 ? static_cast<int>(left.count()) : 0;
  }

 private:
  std::chrono::steady_clock::time_point end_;
};

}  // namespace pvmmu::lab
