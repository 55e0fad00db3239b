#include "tests/conformance/mutants/handles.h"

#include <algorithm>
#include <map>

namespace pvmmu::conform {
namespace {

using list = std::vector<u64>;

/// Goes through a program's answers in the order of its calls.
class translation {
 public:
  void call(const lab::map_grant_ref&, const list& real, list& own) {
    for (std::size_t at = 2; at < std::min(real.size(), own.size()); at += 4) {
      const bool mapped = status_of(own[at]) == 0 && status_of(real[at]) == 0;
      if (!mapped) continue;
      real_handle_[own[at] >> 32] = real[at] >> 32;
      own[at] = (own[at] & low) | (real[at] & ~low);
    }
  }
  void call(const lab::unmap_grant_ref&, const list&, list& own) {
    for (std::size_t at = 2; at < own.size(); at += 3)
      if (const auto known = real_handle_.find(own[at] & low); known != real_handle_.end())
        own[at] = (own[at] & ~low) | known->second;
  }
  template <class Other>
  void call(const Other&, const list&, list&) {}

 private:
  static constexpr u64 low = 0xffffffff;
  static u64 status_of(u64 word) { return word >> 16 & 0xffff; }

  std::map<u64, u64> real_handle_;
};

}  // namespace

void give_handles_of(const lab::program_answer& real, const lab::program& p, lab::program_answer& answer) {
  translation t;
  for (std::size_t i = 0; i < std::min(real.calls.size(), answer.calls.size()); ++i) {
    const lab::answer& theirs = real.calls[i];
    lab::answer& ours = answer.calls[i];
    if (const auto* m = std::get_if<lab::multicall>(&p.calls[i])) {
      for (std::size_t k = 0; k < std::min(theirs.entries.size(), ours.entries.size()); ++k)
        std::visit([&](const auto& c) { t.call(c, theirs.entries[k].list, ours.entries[k].list); }, m->entries[k]);
    } else if (!theirs.blobs.empty() && !ours.blobs.empty()) {
      std::visit([&](const auto& c) { t.call(c, theirs.blobs[0], ours.blobs[0]); }, p.calls[i]);
    }
  }
}

}  // namespace pvmmu::conform
