#pragma once
// Numbers for words, so that lists of words are compared fast.

#include <string>
#include <unordered_map>

#include "proto/abi/types.h"

namespace pvmmu::tools {

/// Equal words have equal numbers.
class word_numbers {
 public:
  u32 of(const std::string& word) {
    const auto [at, is_new] = numbers_.try_emplace(word, next_);
    next_ += is_new;
    return at->second;
  }
  /// One that nothing else has.
  u32 unique() { return next_++; }

 private:
  std::unordered_map<std::string, u32> numbers_;
  u32 next_ = 0;
};

}  // namespace pvmmu::tools
