#pragma once
// A program as parts, any of which can be left out: how shrink.h makes smaller programs.
//
//   reduction r{program};
//   selection keep = r.all();
//   for (u32 part : r.steps(keep)[0]) keep[part] = false;
//   lab::program smaller = r.program_of(keep);

#include <vector>

#include "tools/lab/program.h"

namespace pvmmu::conform {

/// For every part whether it stays.
using selection = std::vector<bool>;
/// Parts that go together.
using step = std::vector<u32>;

class reduction {
 public:
  explicit reduction(lab::program p);

  selection all() const { return selection(parts_.size(), true); }
  lab::program program_of(const selection& keep) const;

  /// All ways to leave out a little more: runs of calls and of contents, as long as each power of two; single entries
  /// of batches; the multicall around calls, which become calls of the program. The probe's own slots stay in the
  /// program's L4s as long as one is loaded: without them the probe could not go on.
  std::vector<step> steps(const selection& keep) const;

 private:
  enum class kind { call, multicall, entry, content, own_slot };
  /// Inside a part lie those that follow it, up to `end`.
  struct part {
    kind what;
    u32 end = 0;
  };

  template <class Call>
  void add_parts(const Call& c);
  void add_runs(kind what, const selection& keep, std::vector<step>& steps) const;

  lab::program program_;
  std::vector<part> parts_;  ///< in the program's order: a call before what is in it; the contents at the end
};

}  // namespace pvmmu::conform
