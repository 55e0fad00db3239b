#pragma once
// Names for the frames that processes have as memory, one name for each life. A life begins where a frame is mapped,
// and ends as Linux frees it: once nothing maps the frame when the TLB is flushed, or when its address space is gone. A
// move takes an entry away and sets it elsewhere before it flushes: the life goes on.

#include <optional>
#include <set>
#include <unordered_map>

#include "tools/compare/page_table_view.h"

namespace pvmmu::compare {

class page_lives {
 public:
  bool lives(mfn_t page) const { return names_.contains(page); }
  /// It is mapped; if it did not live, it does now.
  void meet(mfn_t page) { names_.try_emplace(page); }
  /// Its name: names are given in the order in which they are asked for, from 1 on.
  u32 name(mfn_t page) {
    std::optional<u32>& name = names_[page];
    if (!name) name = ++last_name_;
    return *name;
  }

  /// An entry that mapped it is gone.
  void unmapped(mfn_t page) { unmapped_.insert(page); }
  /// Ends the lives of those that are mapped nowhere; `each_mapped(visit)` calls visit(page) for all that are mapped.
  template <class F>
  void flushed(F&& each_mapped) {
    if (unmapped_.empty()) return;
    each_mapped([this](mfn_t page) { unmapped_.erase(page); });
    for (const mfn_t page : unmapped_) names_.erase(page);
    unmapped_.clear();
  }

 private:
  std::unordered_map<mfn_t, std::optional<u32>> names_;
  std::set<mfn_t> unmapped_;  ///< since the last flush
  u32 last_name_ = 0;
};

}  // namespace pvmmu::compare
