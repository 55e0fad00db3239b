#pragma once
// A progress bar on stderr for work that takes a while:
//
//   progress bar("replaying", calls.size(), ctx.shows_progress());
//   for (…) { …; bar.step(); }          // redraws ten times a second at most; cleared when it goes out of scope

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <utility>

#include "proto/abi/types.h"

namespace pvmmu::tools {

class progress {
 public:
  progress(std::string what, u64 total, bool shown) : what_(std::move(what)), total_(total), shown_(shown) {}
  ~progress() { clear(); }
  progress(const progress&) = delete;
  progress& operator=(const progress&) = delete;

  /// Takes the bar off the screen before something else is printed.
  void clear() {
    if (drawn_) fmt::print(stderr, "\r\x1b[K");
    drawn_ = false;
  }

  void step(u64 by = 1) {
    done_ = std::min(total_, done_ + by);
    if (shown_) draw();
  }

 private:
  void draw() {
    const auto now = std::chrono::steady_clock::now();
    if (now < next_) return;
    next_ = now + std::chrono::milliseconds(100);
    constexpr u64 width = 30;  // columns
    const u64 filled = total_ == 0 ? width : width * done_ / total_;
    fmt::print(stderr, "\r{} [{:=<{}}{:{}}] {}/{}\x1b[K", what_, "", filled, "", width - filled, done_, total_);
    std::fflush(stderr);
    drawn_ = true;
  }

  std::string what_;
  u64 total_;
  u64 done_ = 0;
  bool shown_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point next_{};
};

}  // namespace pvmmu::tools
